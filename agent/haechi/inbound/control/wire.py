"""One connection of the control socket: lines of bytes, and the descriptors that come with them.

asyncio's streams read without room for descriptors and the kernel would drop them, so a connection reads its socket
itself. Knows nothing of what a line asks for.
"""

from __future__ import annotations

import asyncio
import os
import socket
from dataclasses import dataclass
from typing import Any, Final

from haechi.domain.errors import HaechiError
from haechi.inbound.control import protocol

READ_SIZE: Final = 65536


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of the socket. Seconds and counts."""

    connections: int = 128
    connections_per_user: int = 32
    idle: float = 30.0
    send: float = 30.0


class Wire:
    """One connection's bytes and descriptors."""

    def __init__(self, connection: socket.socket, limits: Limits) -> None:
        self._socket = connection
        self._limits = limits
        self._buffer = bytearray()
        self._files: list[int] = []

    async def line(self) -> bytes | None:
        """The next line; None where the caller ended. Raises ``control.too-large``, ``control.idle``."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._limits.idle
        searched = 0
        while (end := self._buffer.find(b"\n", searched)) < 0:
            searched = len(self._buffer)
            if searched >= protocol.MAX_LINE:
                raise HaechiError("control.too-large", limit=protocol.MAX_LINE)
            if not await self._readable(deadline - loop.time()):
                raise HaechiError("control.idle", seconds=self._limits.idle)
            try:
                data, files, flags, _ = socket.recv_fds(
                    self._socket, READ_SIZE, protocol.MAX_FILES, socket.MSG_CMSG_CLOEXEC
                )
            except BlockingIOError:
                continue
            self._files += files
            if flags & socket.MSG_CTRUNC or len(self._files) > protocol.MAX_FILES:
                raise HaechiError("control.bad-request", reason="files")
            if not data:
                return None
            self._buffer += data
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return line

    def take(self, count: int) -> tuple[int, ...]:
        """The descriptors of one call, in the order sent. Raises ``control.bad-request`` where they did not come."""
        if count != len(self._files):
            raise HaechiError("control.bad-request", reason="files")
        taken, self._files = tuple(self._files), []
        return taken

    async def hung_up(self) -> bool:
        """Return True once the caller hangs up; False once it sends more instead (nothing to watch any longer)."""
        while True:
            if not await self._readable(None):
                continue
            try:
                return not self._socket.recv(1, socket.MSG_PEEK)
            except BlockingIOError:
                continue
            except OSError:
                return True

    async def send(self, message: dict[str, Any]) -> None:
        """Send one answer. Raises ``TimeoutError`` for a caller that does not read."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(self._limits.send):
            await loop.sock_sendall(self._socket, protocol.encode(message))

    def close(self) -> None:
        """Let go of the socket, and of descriptors that no call took."""
        for descriptor in self._files:
            os.close(descriptor)
        self._files.clear()
        self._socket.close()

    async def _readable(self, seconds: float | None) -> bool:
        loop = asyncio.get_running_loop()
        ready: asyncio.Future[None] = loop.create_future()
        number = self._socket.fileno()
        loop.add_reader(number, lambda: None if ready.done() else ready.set_result(None))
        try:
            await asyncio.wait_for(ready, seconds)
            return True
        except TimeoutError:
            return False
        finally:
            loop.remove_reader(number)
