"""SDKs that send with requests: the proxy that a request takes, and a session that answers in a store's place.

Loaded by the guards of such SDKs alone, whose clients have brought the library.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import requests
from haechi.ports.judge import Reply
from requests.adapters import BaseAdapter, HTTPAdapter
from requests.utils import get_environ_proxies, select_proxy
from urllib3 import HTTPResponse


def proxy_to(url: str, proxies: Mapping[str, str] | None) -> str:
    """The URL of the proxy that leads to ``url``: of those that the client was given, else of the environment's."""
    if proxies:
        return select_proxy(url, dict(proxies)) or ""
    parts = urlsplit(url)
    return _from_environment(f"{parts.scheme}://{parts.netloc}/")


@lru_cache(maxsize=256)
def _from_environment(url: str) -> str:
    """As a client that was made now would take it from then on."""
    return select_proxy(url, get_environ_proxies(url)) or ""


def response(request: Any, reply: Reply) -> requests.Response:
    """The agent's answer to a prepared request, as the library would have read it from the store."""
    raw = HTTPResponse(
        io.BytesIO(reply.body),
        headers=dict(reply.headers),
        status=reply.status,
        reason="Forbidden" if reply.status == 403 else "",
        preload_content=False,
    )
    return HTTPAdapter().build_response(request, raw)


def answering(reply: Reply) -> requests.Session:
    """A session that sends nothing: everything gets this answer."""
    session = requests.Session()
    session.trust_env = False
    for scheme in ("https://", "http://"):
        session.mount(scheme, _Answer(reply))
    return session


class _Answer(BaseAdapter):
    def __init__(self, reply: Reply) -> None:
        super().__init__()
        self._reply = reply

    def send(self, request: Any, *said: Any, **named: Any) -> requests.Response:
        return response(request, self._reply)

    def close(self) -> None:
        """There is nothing to close."""
