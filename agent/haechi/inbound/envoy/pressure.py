"""Envoy's own figures, and by them how much of the released bodies still waits inside it for slow upstreams.

Why: ext_proc knows no back pressure. What the judge gives back, Envoy takes at once and keeps in memory, so the judge
paces itself by Envoy's own gauge, read over its admin socket (a Unix socket in the private folder, never TCP).
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
from pathlib import Path

import aiohttp
import msgspec

from haechi.inbound.envoy.clusters import HELD

_BUFFERED = f"cluster\\..*{HELD}\\.upstream_cx_tx_bytes_buffered"
_ACTIVE = r"^http\..*\.downstream_rq_active$"
_OTHERS = ("http.proxy.", "http.admin.")
_LOOK_S = 0.1
_TIMEOUT_S = 2.0
_MOST = 1 << 20
_AT_ONCE = 4
"""Questions at once; Envoy answers them on one thread."""


class _Figure(msgspec.Struct, frozen=True):
    """One of them; a histogram has neither."""

    name: str = ""
    value: int | str = ""


class _Figures(msgspec.Struct, frozen=True):
    stats: list[_Figure]


class AdminSocket:
    """Reads Envoy's figures, over a connection that is kept. ``close`` when nothing is asked any more."""

    def __init__(self, path: Path) -> None:
        self._path = str(path)
        self._session: aiohttp.ClientSession | None = None

    async def figures(self, pattern: str) -> dict[str, int]:
        """Those whose name matches a regular expression (RE2).

        Raises ``OSError`` when Envoy does not answer, or not with figures.
        """
        asked = {"format": "json", "filter": pattern}
        said = bytearray()
        try:
            async with self._opened().get("http://envoy/stats", params=asked, raise_for_status=True) as answer:
                async for part in answer.content.iter_any():
                    said += part
                    if len(said) > _MOST:
                        raise OSError(errno.EMSGSIZE, "more figures than were asked for")
            found = msgspec.json.decode(said, type=_Figures)
        except (aiohttp.ClientError, msgspec.MsgspecError) as error:
            raise OSError(errno.EPROTO, f"no figures: {type(error).__name__}") from error
        return {figure.name: figure.value for figure in found.stats if isinstance(figure.value, int)}

    async def close(self) -> None:
        """Let go of the connection. Safe to call twice."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.UnixConnector(self._path, limit=_AT_ONCE),
                timeout=aiohttp.ClientTimeout(total=_TIMEOUT_S),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session


class UpstreamPressure:
    """Reads the gauge."""

    def __init__(self, admin: AdminSocket) -> None:
        self._admin = admin

    async def buffered(self) -> int:
        """Bytes of held bodies in Envoy's write buffers. Raises ``OSError`` when Envoy does not answer."""
        return sum((await self._admin.figures(_BUFFERED)).values())


class UnderWay:
    """Knows whether judged requests are on their way, not counting the tunnels that they came in by."""

    def __init__(self, admin: AdminSocket) -> None:
        self._admin = admin

    async def ended(self, within_s: float) -> None:
        """Return when none is, or Envoy does not answer, or the time is over."""
        ends = asyncio.get_running_loop().time() + within_s
        with contextlib.suppress(TimeoutError, OSError):
            while await self._requests() and asyncio.get_running_loop().time() < ends:  # noqa: ASYNC110 - Envoy's figure
                await asyncio.sleep(_LOOK_S)

    async def _requests(self) -> int:
        figures = await self._admin.figures(_ACTIVE)
        return sum(count for name, count in figures.items() if not name.startswith(_OTHERS))
