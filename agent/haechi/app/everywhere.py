"""Content that is everywhere: tagging it would refuse uploads that have nothing to do with the technology.

Nothing is decided here; a person is told. An empty file holds nothing that could be protected at all.
"""

# Names are plain strings here: millions pass, and an object for each would cost more than the work on it.
# ruff: noqa: PTH116, PTH118, PTH119, PTH120, PTH123

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path

from haechi.ports.tags import Problem

SYSTEM_FOLDERS = ("/usr/lib", "/usr/lib64", "/lib", "/lib64", "/usr/local/lib", "/usr/share", "/usr/bin", "/usr/sbin")
TINY = 64
"""Bytes. Content this short may be the whole of an unrelated upload."""
MOST_ENTRIES = 200_000
"""Entries of the library folders that are looked at for a file of the same size."""


class Everywhere:
    """Tells what is worth a warning before it is tagged."""

    def __init__(self, digest: Callable[[str], str], folders: Sequence[str] = SYSTEM_FOLDERS) -> None:
        """``digest`` reads a file and gives the digest of its body; it may raise ``OSError``."""
        self._digest = digest
        self._folders = tuple(dict.fromkeys(os.path.realpath(folder) for folder in folders))

    def warnings(self, path: str) -> tuple[Problem, ...]:
        """What to say of one file. Raises ``OSError`` when it cannot be looked at."""
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            return ()
        if status.st_size == 0:
            return (Problem("tag.warn-empty", {"path": path}),)
        found: list[Problem] = []
        if status.st_size < TINY:
            found.append(Problem("tag.warn-tiny", {"path": path, "size": str(status.st_size)}))
        real = os.path.realpath(path)
        if any(real.startswith(folder + "/") for folder in self._folders):
            found.append(Problem("tag.warn-system", {"path": path, "folder": os.path.dirname(real)}))
        elif status.st_nlink > 1 or ".so" in os.path.basename(path) or _is_program(path):
            # Going through the system's folders takes long: only for what may come from there.
            same = self._in_libraries(path, status)
            if same is not None:
                found.append(Problem("tag.warn-library", {"path": path, "same": same}))
        return tuple(found)

    def _in_libraries(self, path: str, status: os.stat_result) -> str | None:
        """A file of the system's folders that is the same: linked, or with the same name or a library's, and
        content.
        """
        looked, digest, name = 0, "", Path(path).name
        for folder in self._folders:
            for here, _, names in os.walk(folder):
                looked += len(names)
                if looked > MOST_ENTRIES:
                    return None
                for other in names:
                    if other != name and ".so" not in other:
                        continue
                    candidate = os.path.join(here, other)
                    try:
                        theirs = os.stat(candidate)
                        if theirs.st_size != status.st_size or not stat.S_ISREG(theirs.st_mode):
                            continue
                        if (theirs.st_dev, theirs.st_ino) == (status.st_dev, status.st_ino):
                            return candidate
                        digest = digest or self._digest(path)
                        if self._digest(candidate) == digest:
                            return candidate
                    except OSError:
                        continue
        return None


def _is_program(path: str) -> bool:
    with open(path, "rb") as file:
        return file.read(4) == b"\x7fELF"
