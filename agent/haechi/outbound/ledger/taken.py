"""One byte that says whether something was taken that is not written yet, and outlives the process by any death.

It stands in the kernel's cache of files as soon as it is written, so that a process that is killed leaves it as it was;
only a power cut may lose it. The file is as large from the first time on, so that a full disk stops no later writing.
"""

from __future__ import annotations

import os
from pathlib import Path

_TAKEN, _WRITTEN = b"1", b"0"


class Taken:
    """Says at first that something was taken. Methods raise ``OSError``. Not safe from several threads at once."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            self.left = os.pread(self._file, 2, 0) != _WRITTEN
            """Whether whoever was here before may have left something unwritten."""
            self._said = False
            self.set()
        except BaseException:
            os.close(self._file)
            raise

    def set(self) -> None:
        """Something is about to be taken."""
        if not self._said:
            os.pwrite(self._file, _TAKEN, 0)
            self._said = True

    def clear(self) -> None:
        """All that was taken is written."""
        if self._said:
            os.pwrite(self._file, _WRITTEN, 0)
            self._said = False

    def close(self) -> None:
        """Let the file go."""
        os.close(self._file)
