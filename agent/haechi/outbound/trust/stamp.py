"""Whether files are still what they were when they were last read, without reading them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

Stamp: TypeAlias = tuple[tuple[str, int, int, int, int], ...]
"""Name, inode, size and both times (nanoseconds) of each file that is there."""


def stamp_of(paths: Iterable[Path]) -> Stamp:
    """The stamp of files; one that is not there adds nothing."""
    found = []
    for path in paths:
        with contextlib.suppress(OSError):
            status = path.stat()
            found.append((str(path), status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns))
    return tuple(found)
