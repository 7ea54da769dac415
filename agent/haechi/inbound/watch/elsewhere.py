"""Watches on the folders of tagged files that lie outside the watched roots: each folder alone, not what is below it.

Each watch costs a thread and one of the kernel's inotify watches, so there is a bound. A folder that has none is looked
at with every full scan only; it is named, so that ``haechi status`` can say so.
"""

# Names are plain strings here: millions pass, and an object for each would cost more than the work on it.
# ruff: noqa: PTH120

from __future__ import annotations

import errno
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable

TOO_MANY = "too many folders"


def _identity(folder: str) -> tuple[int, int] | None:
    try:
        status = os.stat(folder)  # noqa: PTH116
    except OSError:
        return None
    return status.st_dev, status.st_ino


class Elsewhere:
    """``watch`` begins to watch a folder and answers how to end it; it raises ``OSError``. Safe from any thread."""

    def __init__(self, watch: Callable[[str], Callable[[], None]], most: int) -> None:
        self._watch, self._most = watch, most
        self._ends: dict[str, Callable[[], None]] = {}
        self._ids: dict[str, tuple[int, int] | None] = {}
        """Which folder had the name when its watch began."""
        self._lock = threading.Lock()
        self._dead: deque[str] = deque()
        self.unwatched: dict[str, str] = {}
        """Folders that could not be watched, and why."""

    @property
    def watched(self) -> int:
        """How many folders are watched."""
        return len(self._ends)

    def cover(self, names: Iterable[str]) -> set[str]:
        """Watch the folders of these names; those that were not watched before."""
        folders = {os.path.dirname(name) for name in names}
        with self._lock:
            self._bury()
            return {folder for folder in sorted(folders) if folder not in self._ends and self._begin(folder)}

    def keep(self, names: Iterable[str]) -> set[str]:
        """Watch the folders of these names, and no others; those that were not watched before."""
        folders = {os.path.dirname(name) for name in names}
        with self._lock:
            self._bury()
            for folder in [folder for folder in self._ends if folder not in folders]:
                self._ends.pop(folder)()
            self.unwatched = {folder: why for folder, why in self.unwatched.items() if folder in folders}
            return {folder for folder in sorted(folders) if folder not in self._ends and self._begin(folder)}

    def ended(self, folder: str) -> None:
        """The folder is gone, and its watch with it; one that takes its name is watched anew. Takes no lock: called by
        the observer, which holds its own.
        """
        self._dead.append(folder)

    def _bury(self) -> None:
        while self._dead:
            end = self._ends.pop(self._dead.popleft(), None)
            if end is not None:
                end()
        for folder in [folder for folder in self._ends if _identity(folder) != self._ids[folder]]:
            self._ends.pop(folder)()  # renamed, or a folder above it was: the watch went with the old folder

    def _begin(self, folder: str) -> bool:
        if len(self._ends) >= self._most:
            self.unwatched[folder] = TOO_MANY
            return False
        try:
            self._ids[folder] = _identity(folder)
            self._ends[folder] = self._watch(folder)
        except (OSError, RuntimeError) as error:  # RuntimeError: no thread could be started for it
            if os.path.isdir(folder):  # noqa: PTH112
                self.unwatched[folder] = os.strerror(getattr(error, "errno", None) or errno.EAGAIN)
            return False
        self.unwatched.pop(folder, None)
        return True
