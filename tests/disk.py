"""A disk that is full, for what lies below one folder and for nothing else in this process."""

from __future__ import annotations

import asyncio
import errno
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest


class FullDisk:
    """Refuses every write below ``folder`` while ``full``; the first ``fits`` bytes of each still fit, as on one that
    fills.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path, *, fits: int = 0) -> None:
        self.full = False
        self.refused = 0
        below, real = str(folder.resolve()) + "/", os.write

        def write(fd: int, data: bytes) -> int:
            if not self.full or not os.readlink(f"/proc/self/fd/{fd}").startswith(below):
                return real(fd, data)
            if fits and len(data) > fits:
                real(fd, bytes(data[:fits]))
            self.refused += 1
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, "write", write)


async def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait for what another thread does; fails after ``seconds``."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s"
        await asyncio.sleep(0.005)
