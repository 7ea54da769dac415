"""One worker process and its channel: started, asked, ended. It must not know what is asked, nor what silence means."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import time

from haechi.outbound.engine.frames import HEAD, MAX_BODY, Kind, frame


class WorkerProcess:
    """One process and the questions it was asked: an id each, answered in order."""

    def __init__(self, process: subprocess.Popen[bytes], writer: asyncio.StreamWriter) -> None:
        self.process = process
        self.writer = writer
        self.pending: dict[int, asyncio.Future[tuple[Kind, bytes]]] = {}
        self.gone = asyncio.Event()
        self.heard = time.monotonic()
        self.born = time.monotonic()
        self._number = 0
        self.reading: asyncio.Task[None] | None = None

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
        reader, writer = await asyncio.open_connection(sock=ours)
        worker = cls(process, writer)
        worker.reading = asyncio.create_task(worker._read(reader))
        return worker

    def ask(self, kind: Kind, body: bytes) -> asyncio.Future[tuple[Kind, bytes]]:
        """Send a question; the future gets its answer, or ``ConnectionError`` when the worker is gone."""
        future: asyncio.Future[tuple[Kind, bytes]] = asyncio.get_running_loop().create_future()
        if self.gone.is_set():
            future.set_exception(ConnectionError("the worker is gone"))
            return future
        if not self.pending:
            self.heard = time.monotonic()
        self._number += 1
        self.pending[self._number] = future
        self.writer.write(frame(kind, self._number, body))
        return future

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            while True:
                length, kind, number = HEAD.unpack(await reader.readexactly(HEAD.size))
                size = length - (HEAD.size - 4)
                if not 0 <= size <= MAX_BODY:
                    break
                body = await reader.readexactly(size)
                self.heard = time.monotonic()
                future = self.pending.pop(number, None)
                if future is not None and not future.done():
                    future.set_result((Kind(kind), body))
        except (asyncio.IncompleteReadError, OSError, ValueError):
            pass
        finally:
            self.gone.set()
            for future in self.pending.values():
                if not future.done():
                    future.set_exception(ConnectionError("the worker is gone"))
                    # Whoever asked may have given up already; nobody needs to hear it then.
                    future.exception()
            self.pending.clear()

    async def end(self) -> None:
        """Kill and reap it."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()
        if self.reading is not None:
            await self.reading
        await asyncio.to_thread(self.process.wait)
