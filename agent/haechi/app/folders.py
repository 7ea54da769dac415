"""Which folders a scan goes through: all below the roots, but for those that are passed over."""

# Names are plain strings here: millions pass, and an object for each would cost more than the work on it.
# ruff: noqa: PTH100, PTH120

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

_SKIPPED = frozenset({"/proc", "/sys", "/dev"})


@dataclass(slots=True)
class Folders:
    """``exclude`` tells folders, by path, that are passed over with all below."""

    exclude: Callable[[str], bool] = lambda path: False

    def below(self, roots: Iterable[str], unlisted: Callable[[str, OSError], None]) -> Iterator[tuple[str, list[str]]]:
        """Every folder, with the paths in it that are no folders; each is listed once. One that cannot be listed comes
        empty, and is reported.
        """
        waiting = [os.path.abspath(root) for root in roots]
        while waiting:
            folder = waiting.pop()
            if folder in _SKIPPED or self.exclude(folder):
                continue
            inside: list[str] = []
            try:
                with os.scandir(folder) as entries:
                    for entry in entries:
                        (waiting if entry.is_dir(follow_symlinks=False) else inside).append(entry.path)
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.ENOTDIR):
                    unlisted(folder, error)
            yield folder, inside

    def lead_to(self, roots: Sequence[str]) -> Callable[[str], bool]:
        """Whether a scan of these comes to a folder: it lies in one of them, and none on the way is passed over."""
        known: dict[str, bool] = {root: not self.exclude(root) for root in roots}

        def led_to(folder: str) -> bool:
            way: list[str] = []  # no recursion: anybody may make folders a thousand deep
            while folder not in known:
                way.append(folder)
                above = os.path.dirname(folder)
                if above == folder:
                    known[way.pop()] = False
                    break
                folder = above
            led = known[folder]
            for below in reversed(way):
                led = known[below] = led and not self.exclude(below)
            return led

        return led_to
