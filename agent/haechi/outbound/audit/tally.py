"""How many records are in memory alone, or lost: a number in a file, so that a killed agent's loss is told of too.

The file has its final size from the start, so that a full disk can still take another number (file systems that copy on
write may refuse; then the number stays as it was, and the operations log says so).
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

TALLY = "unwritten"
_DIGITS = 19


class Tally:
    """The number in ``folder``. No method raises: the audit's own errors say what is wrong with the disk."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / TALLY
        self._handle = -1
        self.value = 0

    def open(self) -> int:
        """What an agent that ended left behind; the file has room for numbers from now on where there is any."""
        with contextlib.suppress(OSError):
            self._handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            said = os.pread(self._handle, _DIGITS, 0).strip()
            self.value = int(said) if said.isdigit() else 0
            if not said:
                self._write(0)
                os.fsync(self._handle)
        return self.value

    def set(self, value: int) -> bool:
        """Write another number; False where it could not be written."""
        if value == self.value:
            return True
        try:
            self._write(value)
        except OSError:
            return False
        self.value = value
        return True

    def close(self) -> None:
        """Let the file go."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def _write(self, value: int) -> None:
        os.pwrite(self._handle, f"{value:{_DIGITS}d}\n".encode(), 0)
