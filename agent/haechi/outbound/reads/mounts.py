"""Tells when file systems were mounted or taken away: marks end with the file system that they are on, and nobody says
so. What lies on it when it is mounted again is not marked.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator

from haechi.outbound.reads.fanotify import Fanotify
from haechi.outbound.reads.readers import Marked

SAMPLES = 8
"""Files of one file system that are asked whether they are still marked: others may have been deleted meanwhile."""


TRIED = 1024
"""Files of one file system that are looked for: none is there of one that was taken away, and mounts come often."""


class Mounts:
    """The table of mounts; ``select.poll`` wakes whoever waits for ``POLLPRI`` of its descriptor, once for what changed
    since it was asked. Raises ``OSError`` where there is none.
    """

    def __init__(self, table: str = "/proc/self/mounts") -> None:
        self.descriptor = os.open(table, os.O_RDONLY | os.O_CLOEXEC)

    def close(self) -> None:
        """Let the table go."""
        os.close(self.descriptor)


def unmarked(group: Fanotify, files: Iterable[Marked]) -> Iterator[str]:
    """Names of files that have lost their marks: all of a file system of which one lost it. Of what is not there now
    nothing is said.
    """
    systems: dict[int, list[Marked]] = {}
    for file in files:
        systems.setdefault(file.device, []).append(file)
    for there in systems.values():
        asked = 0
        for file in there[:TRIED]:
            holds = _holds(group, file)
            if holds is False:
                yield from (one.path for one in there)
            if holds is False or (asked := asked + (holds is not None)) == SAMPLES:
                break


def _holds(group: Fanotify, file: Marked) -> bool | None:
    """Whether the file has its mark; None where it is not there, or cannot be asked."""
    try:
        status = os.stat(file.path, follow_symlinks=False)  # noqa: PTH116
        if status.st_ino != file.inode:
            return None  # another file, which the index is about to look at
        return group.holds(file.path)
    except OSError as error:
        return None if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.ESTALE) else False
