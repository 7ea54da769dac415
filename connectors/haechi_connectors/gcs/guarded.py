"""What a guarded client of Google's SDK sends: the agent is asked first, and its refusal is the answer of the store.

Theory. Every request of a client, the pieces of a resumable upload and each try anew included, goes through one session
of requests, whose transport adapters get it finished and authorised. ``Session.adapters`` and ``mount`` are requests'
own way to stand there; ``client._http``, the session, is private to the SDK. The session's tokens are fetched by
another one, so the guard sees none of that.

The SDK raises for the refusal what it raises for the store's: ``google.api_core.exceptions.Forbidden`` with the words.
"""

from __future__ import annotations

from typing import Any, Final

import requests
from haechi.domain.errors import HaechiError
from haechi.domain.upload import Request
from haechi.ports.connector import RefusalText
from haechi.ports.guard import Asked
from haechi.ports.judge import Reply
from requests.adapters import BaseAdapter
from requests.utils import select_proxy

from haechi_connectors.bodies import Shown
from haechi_connectors.gcs import refusal
from haechi_connectors.gcs.complying import make_compliant
from haechi_connectors.mending import READING, head_of, unjudged
from haechi_connectors.requested import response

CODE: Final = "AccessDenied"


def put_on(client: Any, agent: Asked, *, comply: bool) -> None:
    """In the place of an earlier guard. Whatever else sends with the same session is guarded with it."""
    session = client._http
    for prefix, adapter in list(session.adapters.items()):
        inner = adapter.inner if isinstance(adapter, Judged) else adapter
        session.mount(prefix, Judged(inner, agent, comply))
    client._initial_client_info = NotCarried()
    if comply:
        make_compliant()


class Judged(BaseAdapter):
    """A transport adapter that asks before the one within. Holds nothing of a request: many threads use it."""

    def __init__(self, inner: BaseAdapter, agent: Asked, comply: bool) -> None:
        super().__init__()
        self.inner, self.agent, self.comply = inner, agent, comply

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Any = None,
    ) -> requests.Response:
        """As of requests."""
        if request.body is not None or request.method not in READING:
            reply = self._asked(request, select_proxy(request.url or "", proxies) or "")
            if reply is not None:
                return response(request, reply)
        return self.inner.send(request, stream=stream, timeout=timeout, verify=verify, cert=cert, proxies=proxies)

    def close(self) -> None:
        """As of requests."""
        self.inner.close()

    def _asked(self, request: requests.PreparedRequest, proxy: str) -> Reply | None:
        head = head_of(request.method or "", request.url or "", request.headers)
        shown = Shown(request.body)
        try:
            return self.agent.judge(head, shown.offer(), proxy)
        except HaechiError as error:
            return _unjudged(error, head)
        finally:
            request.body = shown.after()


class NotCarried:
    """The SDK makes a client anew in worker processes (``transfer_manager``), from what it was made of: without its
    guard. This stands among that and cannot be carried over, so that nothing is sent unasked.
    """

    def __reduce__(self) -> Any:
        raise HaechiError("guard.not-carried")


def _unjudged(error: HaechiError, head: Request) -> Reply:
    from haechi_connectors.gcs.hosts import find

    host = find(head.host)
    virtual = host is not None and bool(host.bucket)
    return refusal.reply(RefusalText(CODE, unjudged(error), ""), head, virtual=virtual)
