"""Files that came with the machine: implements ``ports.common.CommonContent``.

Only root's own files count, in folders that only root can write, all the way up: an engineer who could put a file there
could make blocks of a protected file count for nothing. Links are not followed.
"""

# Names are plain strings here: many thousands pass.
# ruff: noqa: PTH116, PTH120

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from blake3 import blake3

from haechi.payload.anchors import WINDOW
from haechi.ports.protection import BodyReader, Fingerprints

LARGEST = 64 << 20
"""Bytes of the largest file that is looked at."""
MOST_FILES = 100_000
_FORM = b"1"
"""Changes when the same files would teach other blocks."""


@dataclass(frozen=True, slots=True)
class _File:
    path: str
    size: int
    mtime_ns: int
    inode: tuple[int, int]


class SystemContent:
    """The files below ``folders``, in their order, up to ``most_bytes`` in all."""

    def __init__(
        self,
        folders: Sequence[str],
        reader: BodyReader,
        *,
        most_bytes: int,
        trusted: Callable[[os.stat_result], bool] | None = None,
    ) -> None:
        """``trusted`` tells whether only root can write what has this status (tests say otherwise)."""
        self._folders = tuple(folders)
        self._reader = reader
        self._most_bytes = most_bytes
        self._trusted = trusted or roots_alone

    def mark(self) -> str:
        """See the port."""
        hasher, any_file = blake3(_FORM), False
        for file in self._files():
            any_file = True
            hasher.update(f"{file.path}\0{file.size}\0{file.mtime_ns}\n".encode("utf-8", "surrogateescape"))
        return hasher.hexdigest() if any_file else ""

    def bodies(self) -> Iterator[Fingerprints]:
        """See the port."""
        for file in self._files():
            try:
                yield self._reader.read(file.path)[1]
            except OSError:
                continue

    def _files(self) -> Iterator[_File]:
        known: set[tuple[int, int]] = set()
        left = self._most_bytes
        for folder in self._folders:
            for file in self._below(os.path.realpath(folder)):
                if file.inode in known:
                    continue
                known.add(file.inode)
                left -= file.size
                if left < 0 or len(known) > MOST_FILES:
                    return
                yield file

    def _below(self, folder: str) -> Iterator[_File]:
        if not self._closed(folder):
            return
        waiting = [folder]
        while waiting:
            here = waiting.pop()
            try:
                with os.scandir(here) as entries:
                    inside = sorted(entries, key=lambda entry: entry.name)
            except OSError:
                continue
            for entry in inside:
                try:
                    about = entry.stat(follow_symlinks=False)
                except OSError:
                    continue
                if not self._trusted(about):
                    continue
                if stat.S_ISDIR(about.st_mode):
                    waiting.append(entry.path)
                elif stat.S_ISREG(about.st_mode) and WINDOW <= about.st_size <= LARGEST:
                    yield _File(entry.path, about.st_size, about.st_mtime_ns, (about.st_dev, about.st_ino))

    def _closed(self, folder: str) -> bool:
        """Whether the folder and all above it are root's alone."""
        while True:
            try:
                about = os.stat(folder)
            except OSError:
                return False
            if not stat.S_ISDIR(about.st_mode) or not self._trusted(about):
                return False
            above = os.path.dirname(folder)
            if above == folder:
                return True
            folder = above


def roots_alone(about: os.stat_result) -> bool:
    """Whether only root can write it; of an access control list the group's bits show the most that it grants."""
    return about.st_uid == 0 and not about.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
