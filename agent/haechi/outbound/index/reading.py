"""Read a file and fingerprint it, hashing and winnowing at the same time on two cores where the file is large.

Theory of stamps. A file whose stamp is known is not read again, so a stamp may be handed out as known only where every
later write must change it. The time of change that a write leaves is the clock's at its last tick; where the file's is
older than one tick when reading begins, a write during the reading or after it leaves another. Otherwise the stamp is
*unsettled* (git calls such entries racily clean), and the next look reads the file again: the write that could not be
seen brings its own event.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from array import array
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

from blake3 import blake3

from haechi.outbound.index.hot import UNIT
from haechi.payload.anchors import PIECE, ROOM, Table, Winnower
from haechi.ports.protection import Fingerprints, Stamp

_ATTEMPTS = 3
_TICK_NS = 20_000_000
"""Longer than the kernel's slowest tick (100 a second)."""
_COARSE_NS = 2_000_000_000
"""What the coarsest of the usual file systems (FAT) counts in; assumed where a time has no fraction of a second."""
_SECOND_NS = 1_000_000_000
_READ = 4 * PIECE  # long enough that handing over costs little, short enough that two lie in the cache


def stamp_of(status: os.stat_result) -> Stamp:
    """By what this file is known again."""
    return Stamp(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _racy(stamp: Stamp, now: int) -> bool:
    """Whether a write after ``now`` could leave the file with this stamp."""
    return stamp.ctime_ns > now - (_TICK_NS if stamp.ctime_ns % _SECOND_NS else _COARSE_NS)


class FileReader:
    """Implements ``ports.protection.BodyReader``. Safe from any thread."""

    def __init__(self, seed: int, now: Callable[[], int] = time.time_ns) -> None:
        """``now`` gives nanoseconds of the clock that files' times come from."""
        self._seed = seed
        self._now = now
        self._pool = ThreadPoolExecutor(2, "haechi-winnow")

    def read(self, path: str) -> tuple[Stamp, Fingerprints]:
        """See the port. A file that changes while it is read is read again, at most three times; then it is torn."""
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # never waits on a pipe that took the name
        try:
            for _ in range(_ATTEMPTS):
                now = self._now()
                before = os.fstat(file)
                if not stat.S_ISREG(before.st_mode):
                    raise OSError(errno.EINVAL, "not a regular file", path)
                read = self._small if before.st_size <= PIECE else self._large
                body = read(file, before.st_size)
                stamp = stamp_of(os.fstat(file))
                if stamp_of(before) == stamp and body.size == stamp.size:
                    return (stamp.unsettled() if _racy(stamp, now) else stamp), body
            return stamp.unsettled(), replace(body, torn=True)
        finally:
            os.close(file)

    def _small(self, file: int, size: int) -> Fingerprints:
        parts, at = [], 0
        while data := os.pread(file, size - at + 1, at):
            parts.append(data)
            at += len(data)
            if at >= size:
                break
        whole = parts[0] if len(parts) == 1 else b"".join(parts)
        digest = "blake3:" + blake3(whole).hexdigest()
        if len(whole) < ROOM:
            return Fingerprints(digest, len(whole))
        gathered = _Gathered(self._seed)
        gathered.take(whole)
        return Fingerprints(digest, len(whole), gathered.prints, gathered.units)

    def _large(self, file: int, size: int) -> Fingerprints:
        """While this thread reads and hashes a piece, another one winnows the piece before or the same."""
        hasher, gathered, at = blake3(max_threads=1), _Gathered(self._seed), 0
        buffers = [memoryview(bytearray(min(_READ, size))) for _ in range(2)]
        winnowing: Future[None] | None = None
        try:
            while count := os.preadv(file, [buffers[0]], at):
                at += count
                if winnowing is not None:
                    winnowing.result()
                winnowing = self._pool.submit(gathered.take, buffers[0][:count])
                hasher.update(buffers[0][:count])
                buffers.reverse()
        finally:
            if winnowing is not None:
                winnowing.result()
        return Fingerprints("blake3:" + hasher.hexdigest(), at, gathered.prints, gathered.units)


class _Gathered:
    """The distinct blocks of a stream, each where it first begins."""

    def __init__(self, seed: int) -> None:
        self._winnower = Winnower(seed, skip_blank=True)
        self._known = Table()
        self.prints = array("Q")
        self.units = array("I")

    def take(self, data: bytes | memoryview) -> None:
        blocks = self._winnower.feed(data)
        prints, units = self._known.distinct(blocks.prints, blocks.starts, UNIT)
        self.prints.frombytes(prints)
        self.units.frombytes(units)
