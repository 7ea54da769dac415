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
from dataclasses import dataclass

TOO_MANY = "too many folders"


def _identity(folder: str) -> tuple[int, int] | None:
    try:
        status = os.stat(folder)  # noqa: PTH116
    except OSError:
        return None
    return status.st_dev, status.st_ino


@dataclass(frozen=True, slots=True)
class _Watch:
    """How to end it, and which folder had the name when it began."""

    end: Callable[[], None]
    identity: tuple[int, int] | None


class Elsewhere:
    """``watch`` begins to watch a folder and answers how to end it; it raises ``OSError``. Safe from any thread."""

    def __init__(self, watch: Callable[[str], Callable[[], None]], most: int) -> None:
        self._watch, self._most = watch, most
        self._watches: dict[str, _Watch] = {}
        self._lock = threading.Lock()
        self._dead: deque[str] = deque()
        self.unwatched: dict[str, str] = {}
        """Folders that could not be watched, and why."""

    @property
    def watched(self) -> int:
        """How many folders are watched."""
        return len(self._watches)

    def cover(self, names: Iterable[str]) -> set[str]:
        """Watch the folders of these names; those that were not watched before."""
        folders = {os.path.dirname(name) for name in names}
        with self._lock:
            self._bury()
            return {folder for folder in sorted(folders) if folder not in self._watches and self._begin(folder)}

    def keep(self, names: Iterable[str]) -> set[str]:
        """Watch the folders of these names, and no others; those that were not watched before."""
        folders = {os.path.dirname(name) for name in names}
        with self._lock:
            self._bury()
            for folder in [folder for folder in self._watches if folder not in folders]:
                self._watches.pop(folder).end()
            self.unwatched = {folder: why for folder, why in self.unwatched.items() if folder in folders}
            return {folder for folder in sorted(folders) if folder not in self._watches and self._begin(folder)}

    def ended(self, folder: str) -> None:
        """The folder is gone, and its watch with it; one that takes its name is watched anew. Takes no lock: called by
        the observer, which holds its own.
        """
        self._dead.append(folder)

    def _bury(self) -> None:
        while self._dead:
            dead = self._watches.pop(self._dead.popleft(), None)
            if dead is not None:
                dead.end()
        for folder in [folder for folder, watch in self._watches.items() if _identity(folder) != watch.identity]:
            self._watches.pop(folder).end()  # renamed, or a folder above it was: the watch went with the old folder

    def _begin(self, folder: str) -> bool:
        if len(self._watches) >= self._most:
            self.unwatched[folder] = TOO_MANY
            return False
        try:
            identity = _identity(folder)
            self._watches[folder] = _Watch(self._watch(folder), identity)
        except (OSError, RuntimeError) as error:  # RuntimeError: no thread could be started for it
            if os.path.isdir(folder):  # noqa: PTH112
                self.unwatched[folder] = os.strerror(getattr(error, "errno", None) or errno.EAGAIN)
            return False
        self.unwatched.pop(folder, None)
        return True
