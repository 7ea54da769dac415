"""The same guard on aiobotocore's clients (and aioboto3's, which are those): it waits without holding up the loop.

The agent is asked in a thread. Of a body that only the loop can read, the bytes wait in a file without a name.
"""

from __future__ import annotations

import asyncio
import inspect
import tempfile
from collections.abc import AsyncIterator, Callable
from typing import Any

from haechi.domain.errors import HaechiError
from haechi.domain.upload import Request
from haechi.ports.judge import Reply

from haechi_connectors.bodies import SMALL, Shown
from haechi_connectors.mending import COPIED, READING, head_of
from haechi_connectors.s3.bodies import in_file, rewinding
from haechi_connectors.s3.guard import Guarded, unanswered


class GuardedAsync(Guarded):
    """See ``Guarded``. aiobotocore awaits what its handlers return."""

    async def _before_send(self, request: Any, **_: Any) -> Any:
        if request.body is None and request.method in READING:
            return None
        head = head_of(request.method, request.url, request.headers)
        try:
            reply = await self._judged_beside(request, head)
        except HaechiError as error:
            reply = await asyncio.to_thread(unanswered, error, head)
        return _response(request.url, reply) if reply is not None else None

    async def _judged_beside(self, request: Any, head: Request) -> Reply | None:
        body = request.body
        part = in_file(body)
        in_a_file = part is not None and part.length > SMALL
        if in_a_file or not inspect.iscoroutinefunction(getattr(body, "read", None)):
            return await asyncio.to_thread(self._judged, request, head)
        again = rewinding(body)
        seen = tempfile.SpooledTemporaryFile(max_size=SMALL)  # noqa: SIM115 - what is sent may be read from it
        while piece := await body.read(COPIED):
            await asyncio.to_thread(seen.write, piece)
        seen.seek(0)
        shown = Shown(seen)
        try:
            return await asyncio.to_thread(lambda: self._asked(head, shown.offer()))
        finally:
            request.body = _again(body, again, seen)

    async def _before_call(self, model: Any, params: Any, context: Any, **_: Any) -> Any:
        await asyncio.to_thread(super()._before_call, model, params, context)


def _again(body: Any, again: Callable[[], object] | None, seen: Any) -> Any:
    """The body as it was, or what was read of it: once more, and only once."""
    if again is None:
        return _pieces(seen)
    seen.close()
    again()
    return body


async def _pieces(seen: Any) -> AsyncIterator[bytes]:
    seen.seek(0)
    with seen:
        while piece := await asyncio.to_thread(seen.read, COPIED):
            yield piece


class _Raw:
    """What the SDK reads an answer from."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def read(self, *_: Any) -> bytes:
        """All of it."""
        return self._body


def _response(url: str, reply: Reply) -> Any:
    from aiobotocore.awsrequest import AioAWSResponse

    return AioAWSResponse(url, reply.status, dict(reply.headers), _Raw(reply.body))
