"""One worker process and its channel: started, asked, ended. It must not know what is asked, nor what silence means.

The channel is a protocol of asyncio and no stream: an answer reaches whoever waits for it in the turn of the event loop
in which it came, where a stream's reader would take two more.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import time
from typing import cast

from haechi.outbound.engine.frames import HEAD, MAX_BODY, Kind, frame


class WorkerProcess(asyncio.Protocol):
    """One process and the questions it was asked: an id each, answered in order."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.pending: dict[int, asyncio.Future[tuple[Kind, bytes]]] = {}
        self.gone = asyncio.Event()
        self.heard = time.monotonic()
        self.born = time.monotonic()
        self._number = 0
        self._received = bytearray()
        self._transport: asyncio.WriteTransport | None = None

    @classmethod
    async def start(cls) -> WorkerProcess:
        """A new process with its channel; nothing is loaded yet."""
        ours, theirs = socket.socketpair()
        try:
            process = subprocess.Popen(  # noqa: ASYNC220 - a fork of milliseconds; asyncio passes no socket
                [sys.executable, "-m", "haechi.outbound.engine.worker", str(theirs.fileno()), str(os.getpid())],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        ours.setblocking(False)
        _, worker = await asyncio.get_running_loop().create_unix_connection(lambda: cls(process), sock=ours)
        return worker

    def ask(self, kind: Kind, body: bytes) -> asyncio.Future[tuple[Kind, bytes]]:
        """Send a question; the future gets its answer, or ``ConnectionError`` when the worker is gone."""
        future: asyncio.Future[tuple[Kind, bytes]] = asyncio.get_running_loop().create_future()
        if self.gone.is_set() or self._transport is None:
            future.set_exception(ConnectionError("the worker is gone"))
            return future
        if not self.pending:
            self.heard = time.monotonic()
        self._number += 1
        self.pending[self._number] = future
        self._transport.write(frame(kind, self._number, body))
        return future

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See ``asyncio.Protocol``."""
        self._transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        """See ``asyncio.Protocol``. What is no frame ends the channel."""
        received = self._received
        received += data
        while len(received) >= HEAD.size:
            length, kind, number = HEAD.unpack_from(received)
            size = length - (HEAD.size - 4)
            if not 0 <= size <= MAX_BODY or kind not in _KINDS:
                self._close()
                return
            end = HEAD.size + size
            if len(received) < end:
                return
            body = bytes(memoryview(received)[HEAD.size : end])
            del received[:end]
            self.heard = time.monotonic()
            future = self.pending.pop(number, None)
            if future is not None and not future.done():
                future.set_result((Kind(kind), body))

    def connection_lost(self, exc: Exception | None) -> None:
        """See ``asyncio.Protocol``: everything asked and not answered hears of it."""
        self.gone.set()
        for future in self.pending.values():
            if not future.done():
                future.set_exception(ConnectionError("the worker is gone"))
                # Whoever asked may have given up already; nobody needs to hear it then.
                future.exception()
        self.pending.clear()

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    async def end(self) -> None:
        """Kill and reap it."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self._close()
        await self.gone.wait()
        await asyncio.to_thread(self.process.wait)


_KINDS = frozenset(Kind)
