"""Which tagged files have a mark, and which should have one and have not.

Must not know events, or what is remembered. Safe from several threads: ``lock`` is held where what events are looked up
in is changed.
"""

from __future__ import annotations

import contextlib
import errno
import os
import threading
from collections.abc import Callable, Sequence

from haechi.domain.errors import HaechiError
from haechi.outbound.reads.fanotify import Fanotify
from haechi.outbound.reads.readers import Marked
from haechi.ports.protection import TaggedFile

RETRIED = 256
"""Files that are tried again at once of those that could not be marked."""


class Marks:
    """``group`` is None where the kernel gives none. ``named`` and ``released``: see ``Readers``. ``changed`` is called
    with the lock held when a file turns out not to be watched (False), or one that was not is from now on (True).
    """

    def __init__(
        self,
        group: Fanotify | None,
        named: Callable[[int, int], Sequence[TaggedFile]],
        released: Callable[[str], bool],
        lock: threading.Lock,
        changed: Callable[[bool], None],
    ) -> None:
        self._group, self._named, self._released, self._lock, self._changed = group, named, released, lock, changed
        self.earlier: Fanotify | None = None
        """An earlier agent's group, which stands until our own does: what is learned meanwhile is marked in both."""
        self.files: dict[bytes, Marked] = {}
        self.unwatched: dict[str, str] = {}
        """Tagged files that cannot be marked, and why."""

    def mark(self, path: str) -> None:
        """See to it that openings of this file are told from now on."""
        if self._group is None:
            return
        try:
            status = os.stat(path, follow_symlinks=False)  # noqa: PTH116 - names are plain here
            key = self._group.mark(path)
        except OSError as error:
            self._failed(path, error)
            return
        earlier = self.earlier
        if earlier is not None:
            with contextlib.suppress(OSError):  # missing there, it is found before that group is relied on
                earlier.mark(path)
        with self._lock:
            self.files[key] = Marked(path, status.st_dev, status.st_ino)
            if self.unwatched.pop(path, None) is not None:
                self._changed(True)

    def _failed(self, path: str, error: OSError) -> None:
        with self._lock:
            if error.errno in (errno.ENOENT, errno.ENOTDIR):
                self.unwatched.pop(path, None)
            else:
                new = path not in self.unwatched
                self.unwatched[path] = os.strerror(error.errno or 0)
                if new:
                    self._changed(False)

    def retry(self) -> None:
        """Try again what could not be marked."""
        for path in list(self.unwatched)[:RETRIED]:
            if self._tagged(path):
                with self._lock:
                    self.unwatched[path] = self.unwatched.pop(path)  # to the end: the others get their turn
                self.mark(path)
            else:
                with self._lock:
                    self.unwatched.pop(path, None)

    def _tagged(self, path: str) -> bool:
        """Whether a file that cannot be marked has to be: one that was released holds up nobody."""
        try:
            status = os.stat(path, follow_symlinks=False)  # noqa: PTH116
            return bool(self._named(status.st_dev, status.st_ino)) or not self._released(path)
        except FileNotFoundError:
            return False
        except (OSError, HaechiError):
            return True
