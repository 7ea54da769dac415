"""How much of the released bodies still waits inside Envoy for slow upstreams.

Why: ext_proc knows no back pressure. What the judge gives back, Envoy takes at once and keeps in memory, so the judge
paces itself by Envoy's own gauge, read over its admin socket (a Unix socket in the private folder, never TCP).
"""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

from haechi.inbound.envoy.clusters import HELD

_QUERY = f"/stats?filter=cluster\\..*{HELD}\\.upstream_cx_tx_bytes_buffered"
_TIMEOUT_S = 2.0
_MOST = 1 << 20


class UpstreamPressure:
    """Reads the gauge. One short connection a question."""

    def __init__(self, admin_socket: Path) -> None:
        self._socket = str(admin_socket)

    async def buffered(self) -> int:
        """Bytes of held bodies in Envoy's write buffers. Raises ``OSError`` when Envoy does not answer."""
        async with asyncio.timeout(_TIMEOUT_S):
            reader, writer = await asyncio.open_unix_connection(self._socket)
            try:
                writer.write(f"GET {_QUERY} HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n".encode())
                said = await reader.read(_MOST)
                while more := await reader.read(_MOST):
                    said += more
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
        lines = said.decode("latin-1").splitlines()
        return sum(int(line.rpartition(": ")[2]) for line in lines if "tx_bytes_buffered: " in line)
