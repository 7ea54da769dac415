"""Where a body that is held whole waits: an unlinked file, readable by nobody else, with a bound."""

from __future__ import annotations

import asyncio
import os
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO

from haechi.app.uninterrupted import uninterrupted


class SpoolFullError(OSError):
    """The bound, or the disk, is reached."""


class SpoolBudget:
    """The bytes that all held bodies may take together."""

    def __init__(self, limit: int) -> None:
        self._left = limit
        # Bodies are written from worker threads; a spool that nobody closed is closed by the garbage collector, which
        # may run in the middle of ``take``.
        self._lock = threading.RLock()

    def take(self, size: int) -> None:
        """Raises ``SpoolFullError``."""
        with self._lock:
            if size > self._left:
                raise SpoolFullError
            self._left -= size

    def give_back(self, size: int) -> None:
        """A body is gone."""
        with self._lock:
            self._left += size

    @property
    def left(self) -> int:
        """Bytes that can still be taken."""
        return self._left


IN_MEMORY = 256 << 10
"""Bytes of a body that need no file: most held bodies are small, and a file costs more than judging them."""


class Spool:
    """One held body. A context manager: leaving it frees file and budget."""

    def __init__(self, folder: Path, budget: SpoolBudget) -> None:
        self._folder = folder
        self._file: IO[bytes] | None = None
        self._memory = bytearray()
        self._budget = budget
        self.size = 0

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Free file and budget. Once."""
        self._budget.give_back(self.size)
        if self._file is not None:
            self._file.close()

    def fits(self, size: int) -> bool:
        """Whether so many more bytes stay in memory, so that ``append`` does not wait for a disk."""
        return self._file is None and self.size + size <= IN_MEMORY

    async def add(self, data: bytes | memoryview) -> None:
        """As ``append``, off the event loop where a disk is waited for. Whoever is cancelled waits for the writing to
        end: until then the file must stay open, since its number may be another file's afterwards.
        """
        if self.fits(len(data)):
            self.append(data)
            return
        await uninterrupted(asyncio.get_running_loop().run_in_executor(None, self.append, data))

    def append(self, data: bytes | memoryview) -> None:
        """Raises ``SpoolFullError`` when the bound or the disk is full."""
        keep = self.fits(len(data))
        self._budget.take(len(data))
        self.size += len(data)
        if keep:
            self._memory += data
            return
        try:
            if self._file is None:
                # Unlinked at once: nothing survives a crash, nobody else can open it.
                self._file = tempfile.TemporaryFile(dir=self._folder, prefix="held-", buffering=0)  # noqa: SIM115
                self._write(self._memory)
                self._memory = bytearray()
            self._write(data)
        except OSError as error:
            raise SpoolFullError from error

    def _write(self, data: bytes | bytearray | memoryview) -> None:
        view, file = memoryview(data), self._descriptor()
        while view:
            view = view[os.write(file, view) :]

    def _descriptor(self) -> int:
        if self._file is None:
            raise ValueError("the body is in memory")
        return self._file.fileno()

    def pieces(self, size: int) -> Iterator[tuple[bytes, bool]]:
        """The body again, in pieces, each with whether it is the last; an empty body is one empty piece."""
        at = 0
        while True:
            data = bytes(self._memory[at : at + size]) if self._file is None else os.pread(self._descriptor(), size, at)
            at += len(data)
            if not data and at < self.size:
                raise OSError("a held body was cut short")
            yield data, at >= self.size
            if at >= self.size:
                return
