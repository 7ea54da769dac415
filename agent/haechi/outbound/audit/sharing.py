"""The audit's files for readers who may not open the folder: names, sizes, and pieces of bounded size.

Raw bytes and no answers: whoever verifies does it with keys of its own, and need not believe the agent.
"""

from __future__ import annotations

import os
from pathlib import Path

from haechi.domain.errors import HaechiError
from haechi.outbound.audit.checkpoints import keys_set_aside
from haechi.outbound.audit.segments import CHECKPOINTS, KEYS, segments

MOST = 512 * 1024
"""Bytes of one piece."""


class SharedFiles:
    """The files of a folder. Every call may wait for the disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def listed(self) -> dict[str, int]:
        """Segments, checkpoints and keys, with their sizes. Raises ``HaechiError('audit.missing')``."""
        found = [*segments(self._folder), self._folder / CHECKPOINTS, self._folder / KEYS]
        found += [self._folder / name for name in keys_set_aside(self._folder)]
        return {path.name: path.stat().st_size for path in found if path.is_file()}

    def read(self, name: str, offset: int, most: int) -> bytes:
        """A piece, shorter at the end. Raises ``HaechiError('audit.missing')``, also for any other file."""
        if name not in self.listed():
            raise HaechiError("audit.missing", folder=name, cause=os.strerror(2))
        with (self._folder / name).open("rb") as file:
            file.seek(offset)
            return file.read(min(most, MOST))
