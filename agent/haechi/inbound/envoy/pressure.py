"""Envoy's own figures, and by them how much of the released bodies still waits inside it for slow upstreams.

Why: ext_proc knows no back pressure. What the judge gives back, Envoy takes at once and keeps in memory, so the judge
paces itself by Envoy's own gauge, read over its admin socket (a Unix socket in the private folder, never TCP).
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from pathlib import Path

from haechi.inbound.envoy.clusters import HELD

_BUFFERED = f"cluster\\..*{HELD}\\.upstream_cx_tx_bytes_buffered"
_ACTIVE = r"^http\..*\.downstream_rq_active$"
_OTHERS = ("http.proxy.", "http.admin.")
_LOOK_S = 0.1
_TIMEOUT_S = 2.0
_MOST = 1 << 20


class AdminSocket:
    """Reads Envoy's figures. One short connection a question."""

    def __init__(self, path: Path) -> None:
        self._path = str(path)

    async def figures(self, pattern: str) -> dict[str, int]:
        """Those whose name matches a regular expression. Raises ``OSError`` when Envoy does not answer."""
        async with asyncio.timeout(_TIMEOUT_S):
            reader, writer = await asyncio.open_unix_connection(self._path)
            try:
                query = f"/stats?filter={pattern}"
                writer.write(f"GET {query} HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n".encode())
                said = await reader.read(_MOST)
                while more := await reader.read(_MOST):
                    said += more
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
        pairs = (line.rpartition(": ") for line in said.decode("latin-1").splitlines())
        return {name: int(value) for name, _, value in pairs if re.search(pattern, name) and value.isdigit()}


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
