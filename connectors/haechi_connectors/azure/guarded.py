"""What a guarded client of Azure's SDK sends: the agent is asked first, and its refusal is the answer of the store.

Theory. A client sends through a pipeline of policies, and the last of them hands the finished, signed request to a
transport, every try anew. A client that is made from another gets a pipeline of its own, linked from the *same*
policies: whoever adds a policy later is left out again when the next one is linked. The transport is one object for all
of them, so the guard stands before its ``send``, put on the object itself as boto3 puts methods on a client: clients
made before and after are guarded alike. ``client._pipeline._transport`` is all that is private here.

The SDK parses the refusal as any other answer: ``HttpResponseError`` with the agent's words and ``error_code``.
"""

from __future__ import annotations

import asyncio
import inspect
import tempfile
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from azure.core.pipeline.transport import AsyncioRequestsTransport, RequestsTransport
from haechi.domain.errors import HaechiError
from haechi.domain.upload import Request
from haechi.ports.connector import RefusalText
from haechi.ports.guard import Asked
from haechi.ports.judge import Reply

from haechi_connectors.azure import refusal
from haechi_connectors.azure.complying import make_compliant
from haechi_connectors.bodies import Again, Shown, kept
from haechi_connectors.mending import COPIED, READING, head_of, unjudged
from haechi_connectors.requested import answering, proxy_to

LAKE: Final = ".dfs."


def put_on(client: Any, agent: Asked, *, comply: bool) -> None:
    """In the place of an earlier guard. Every client that shares the transport is guarded with it."""
    transport = client._pipeline._transport
    earlier = vars(transport).get("send")
    send = earlier.inner if isinstance(earlier, Send) else transport.send
    kind = SendAsync if inspect.iscoroutinefunction(type(transport).send) else Send
    transport.send = kind(send, agent, comply)
    if comply:
        make_compliant()


class Send:
    """A transport's ``send``. Holds nothing of a request: a client is used by many threads."""

    def __init__(self, inner: Any, agent: Asked, comply: bool) -> None:
        self.inner, self.agent, self.comply = inner, agent, comply

    def __call__(self, request: Any, **options: Any) -> Any:
        """As the transport's."""
        if _reads(request):
            return self.inner(request, **options)
        reply = self._asked(request, options)
        if reply is None:
            return self.inner(request, **options)
        with answering(reply) as session:
            return RequestsTransport(session=session, session_owner=False).send(_bare(request))

    def _asked(self, request: Any, options: Mapping[str, Any]) -> Reply | None:
        """The refusal; sees to it that the body is whole again."""
        head = _head(request)
        shown = Shown(_body(request), length=_length(head))
        try:
            return self.agent.judge(head, shown.offer(), proxy_to(request.url, options.get("proxies")))
        except HaechiError as error:
            return _unjudged(error, head)
        finally:
            after = shown.after()
            if after is not request.data:
                request.data = after


class SendAsync(Send):
    """The same, awaited: the agent is asked in a thread, and the loop goes on."""

    async def __call__(self, request: Any, **options: Any) -> Any:
        """As the transport's."""
        if _reads(request):
            return await self.inner(request, **options)
        reply = await self._asked_beside(request, options)
        if reply is None:
            return await self.inner(request, **options)
        with answering(reply) as session:
            return await AsyncioRequestsTransport(session=session, session_owner=False).send(_bare(request))

    async def _asked_beside(self, request: Any, options: Mapping[str, Any]) -> Reply | None:
        if hasattr(request.data, "__aiter__"):
            request.data = await kept(request.data)
        reply = await asyncio.to_thread(self._asked, request, options)
        if isinstance(request.data, tempfile.SpooledTemporaryFile | Again):
            request.data = _pieces(request.data)
        return reply


async def _pieces(body: Any) -> AsyncIterator[bytes]:
    while piece := await asyncio.to_thread(body.read, COPIED):
        yield piece


def _reads(request: Any) -> bool:
    return request.method in READING and request.data is None and not request.files


def _body(request: Any) -> Any:
    """The body; a form's fields are a kind that nobody can read, so that nothing is sent."""
    return request.files or request.data


def _head(request: Any) -> Request:
    """As it goes on the wire: an empty body is said by the transport alone."""
    head = head_of(request.method, request.url, request.headers)
    if request.data is None and head.header("content-length") is None:
        head = Request(head.method, head.scheme, head.host, head.target, (*head.headers, ("content-length", "0")))
    return head


def _length(head: Request) -> int | None:
    said = head.header("content-length") or ""
    return int(said) if said.isascii() and said.isdigit() else None


def _bare(request: Any) -> Any:
    """The refused request without its body: nobody is to read that for an answer that is known."""
    return type(request)(request.method, request.url, headers=dict(request.headers))


def _unjudged(error: HaechiError, head: Request) -> Reply:
    return refusal.reply(RefusalText(refusal.CODE, unjudged(error), ""), head, lake=LAKE in head.host)
