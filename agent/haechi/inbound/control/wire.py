"""One connection of the control socket: lines of bytes, and the descriptors that come with them.

asyncio's streams read without room for descriptors and the kernel would drop them, so a connection reads its socket
itself. Knows nothing of what a line asks for.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
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
    """One connection's bytes and descriptors.

    Theory. The loop watches the socket once for as long as the connection lasts, not anew for every line: of what a
    guard asks about a small body, that was the larger part. What is readable while a line is waited for belongs to it.
    While a call runs it is either the end, of which ``on_hang_up`` is told, or the next line, which comes early: then
    nothing is watched until somebody waits for that.
    """

    def __init__(self, connection: socket.socket, limits: Limits) -> None:
        self._socket = connection
        self._limits = limits
        self._buffer = bytearray()
        self._files: list[int] = []
        self._waiting: asyncio.Future[bool] | None = None
        self._watched: asyncio.AbstractEventLoop | None = None
        self.on_hang_up: Callable[[], object] | None = None
        """Told, once, when the caller hangs up while a call runs."""

    async def line(self) -> bytes | None:
        """The next line; None where the caller ended. Raises ``control.too-large``, ``control.idle``."""
        deadline = asyncio.get_running_loop().time() + self._limits.idle
        searched = 0
        while (end := self._buffer.find(b"\n", searched)) < 0:
            searched = len(self._buffer)
            if searched >= protocol.MAX_LINE:
                raise HaechiError("control.too-large", limit=protocol.MAX_LINE)
            if not await self._received(deadline):
                return None
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return line

    def take(self, count: int) -> tuple[int, ...]:
        """The descriptors of one call, in the order sent. Raises ``control.bad-request`` where they did not come."""
        if count != len(self._files):
            raise HaechiError("control.bad-request", reason="files")
        taken, self._files = tuple(self._files), []
        return taken

    async def send(self, message: dict[str, Any]) -> None:
        """Send one answer. Raises ``TimeoutError`` for a caller that does not read."""
        data = protocol.encode(message)
        try:
            sent = self._socket.send(data)
        except BlockingIOError:
            sent = 0
        if sent < len(data):
            async with asyncio.timeout(self._limits.send):
                await asyncio.get_running_loop().sock_sendall(self._socket, data[sent:])

    def close(self) -> None:
        """Let go of the socket, and of descriptors that no call took."""
        self._look_away()
        for descriptor in self._files:
            os.close(descriptor)
        self._files.clear()
        self._socket.close()

    async def _received(self, deadline: float) -> bool:
        """Wait for more of a line; False where the caller ended. Raises ``control.idle``, ``control.bad-request``."""
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[bool] = loop.create_future()
        self._waiting = waiting
        idle = HaechiError("control.idle", seconds=self._limits.idle)
        timer = loop.call_at(deadline, lambda: None if waiting.done() else waiting.set_exception(idle))
        if self._watched is None:
            self._watched = loop
            loop.add_reader(self._socket.fileno(), self._readable)
        try:
            return await waiting
        finally:
            timer.cancel()
            self._waiting = None

    def _readable(self) -> None:
        """The loop's call: there is something to read, or the end."""
        waiting = self._waiting
        if waiting is None:
            self._told_meanwhile()
        elif not waiting.done():
            try:
                more = self._read()
            except (HaechiError, OSError) as error:
                waiting.set_exception(error)
            else:
                if more is not None:
                    waiting.set_result(more)

    def _read(self) -> bool | None:
        """Take what has come; False at the end, None where nothing came after all."""
        try:
            data, files, flags, _ = socket.recv_fds(
                self._socket, READ_SIZE, protocol.MAX_FILES, socket.MSG_CMSG_CLOEXEC
            )
        except BlockingIOError:
            return None
        self._files += files
        if flags & socket.MSG_CTRUNC or len(self._files) > protocol.MAX_FILES:
            raise HaechiError("control.bad-request", reason="files")
        self._buffer += data
        return bool(data)

    def _told_meanwhile(self) -> None:
        """Something comes while a call runs."""
        try:
            ended = not self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return
        except OSError:
            ended = True
        self._look_away()
        if ended and self.on_hang_up is not None:
            self.on_hang_up()

    def _look_away(self) -> None:
        if self._watched is not None:
            self._watched.remove_reader(self._socket.fileno())
            self._watched = None
