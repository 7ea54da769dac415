"""A document over HTTPS: bounded, within a time, with a condition, and a token that goes nowhere else.

No redirect is followed, because a token must not follow one. Plain HTTP is for this machine's own loopback. Answers:
200 is the document, 304 that nothing changed, all else a refusal. Must not know: what the document is.
"""

from __future__ import annotations

import asyncio
import fnmatch
import ipaddress
import os
import re
import ssl
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from yarl import URL

from haechi.domain.errors import HaechiError
from haechi.ports.fetching import Fetched

if TYPE_CHECKING:
    import aiohttp

_TAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e]{0,500}"')
"""RFC 9110, 8.8.3; weak ones too, because only whole documents are compared."""
_TOKEN = re.compile(r"[A-Za-z0-9\-._~+/]+=*")
"""RFC 6750, 2.1."""
_TOKEN_LIMIT = 16 << 10
_HEADERS = 8 << 10


@dataclass(frozen=True, slots=True)
class Terms:
    """How a source is asked. ``timeout`` in seconds, for the whole answer; ``roots`` are CA certificates (PEM) beside
    the system's; ``token_file`` holds a bearer token; ``proxy`` is the URL of a company's HTTP proxy.
    """

    limit: int
    timeout: float = 20.0
    roots: Sequence[Path] = ()
    token_file: Path | None = None
    proxy: str = ""


class HttpSource:
    """``haechi.ports.fetching.Source`` over HTTP. Raises ``HaechiError('fetch.url')`` as ``checked``."""

    def __init__(self, url: str, terms: Terms) -> None:
        self._url, self._terms = checked(url), terms

    async def fetch(self, known: str = "") -> Fetched | None:
        """Raises ``HaechiError``: ``fetch.unreachable``, ``fetch.status``, ``fetch.too-large``, ``fetch.token``,
        ``fetch.roots``.
        """
        import aiohttp  # a fifth of a second, which an agent that starts has no use for yet

        terms = self._terms
        headers = {"Accept": "*/*", "Accept-Encoding": "identity"}
        if known:
            headers["If-None-Match"] = known
        if terms.token_file is not None:
            headers["Authorization"] = f"Bearer {await asyncio.to_thread(token_in, terms.token_file)}"
        try:
            trusted = await asyncio.to_thread(_trusted, terms.roots) if self._url.scheme == "https" else False
            async with (
                aiohttp.ClientSession(
                    timeout=aiohttp.ClientTimeout(total=terms.timeout),
                    cookie_jar=aiohttp.DummyCookieJar(),
                    auto_decompress=False,
                    max_line_size=_HEADERS,
                    max_field_size=_HEADERS,
                ) as session,
                session.get(
                    self._url, headers=headers, ssl=trusted, allow_redirects=False, proxy=terms.proxy or None
                ) as answer,
            ):
                return await self._taken(answer, known)
        except (aiohttp.ClientError, OSError, ValueError) as error:  # a time-out is an OSError
            why = str(error) or type(error).__name__
            raise HaechiError("fetch.unreachable", url=str(self._url), why=why[:300]) from error

    async def _taken(self, answer: aiohttp.ClientResponse, known: str) -> Fetched | None:
        if answer.status == 304 and known:
            return None
        if answer.status != 200 or answer.headers.get("Content-Encoding", "identity") != "identity":
            raise HaechiError("fetch.status", url=str(self._url), status=answer.status)
        body = bytearray()
        async for piece in answer.content.iter_chunked(64 << 10):
            body += piece
            if len(body) > self._terms.limit:
                raise HaechiError("fetch.too-large", url=str(self._url), limit=self._terms.limit)
        tag = answer.headers.get("ETag", "")
        return Fetched(bytes(body), tag if _TAG.fullmatch(tag) else "")


def checked(url: str) -> URL:
    """An address that may be asked. Raises ``HaechiError('fetch.url')``."""
    try:
        at = URL(url)
        sound = bool(at.host) and not at.user and not at.password and not at.fragment
        if not sound or not (at.scheme == "https" or (at.scheme == "http" and _loopback(at.host or ""))):
            raise HaechiError("fetch.url", url=url[:300])
    except ValueError as error:
        raise HaechiError("fetch.url", url=url[:300]) from error
    return at


def proxy_for(url: str, proxy: str, bypass: Sequence[str]) -> str:
    """The company's proxy for an address, or none: ``bypass`` are patterns of host names. Raises as ``checked``."""
    host = checked(url).host or ""
    if not proxy or _loopback(host) or any(fnmatch.fnmatchcase(host, pattern.lower()) for pattern in bypass):
        return ""
    return proxy if "://" in proxy else f"http://{proxy}"


def token_in(file: Path) -> str:
    """The token, whose file one user alone may read. Raises ``HaechiError('fetch.token')``."""
    try:
        with file.open("rb") as held:
            mode = os.fstat(held.fileno()).st_mode
            text = held.read(_TOKEN_LIMIT).decode("ascii", "replace").strip()
    except OSError as error:
        raise HaechiError("fetch.token", file=str(file), why=error.strerror or "") from error
    if stat.S_IMODE(mode) & 0o077:
        raise HaechiError("fetch.token", file=str(file), why=f"mode {stat.S_IMODE(mode):04o}")
    if not _TOKEN.fullmatch(text):
        raise HaechiError("fetch.token", file=str(file), why="no bearer token")
    return text


def _trusted(roots: Sequence[Path]) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    for file in roots:
        try:
            context.load_verify_locations(file)
        except OSError as error:  # ssl.SSLError is one
            raise HaechiError("fetch.roots", file=str(file), why=error.strerror or str(error)) from error
    return context


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
