"""Names that were tagged while no agent ran, kept beside the index until one has taken them.

The command that tags writes them, the agent's scans take them. Both are the same user's: in enforced mode a command
cannot write here, and whoever tags then needs the running agent.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from haechi.domain.errors import HaechiError
from haechi.domain.tags import Tag, merge_tags
from haechi.outbound.index.writing import read_tags


class PendingNames:
    """JSON Lines, a name and its tags each; bytes that are no text are spelled out."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, names: Sequence[str], tag: Tag) -> None:
        """Keep these names. Raises ``OSError`` where this user cannot, or the disk is full."""
        # Each begins a line of its own, also behind one that a full disk cut.
        lines = ["\n" + json.dumps({"path": name, "tags": [dict(tag.as_json())]}) + "\n" for name in names]
        with _locked(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND) as descriptor:
            rest = memoryview("".join(lines).encode("ascii"))
            while rest:
                rest = rest[os.write(descriptor, rest) :]
            os.fsync(descriptor)

    def taken(self, take: Callable[[Mapping[str, tuple[Tag, ...]]], None]) -> None:
        """Hand all of them to ``take``; they are kept where it raises, and no more once it returned."""
        if not self._path.exists():
            return
        with _locked(self._path, os.O_RDWR) as descriptor:
            names = _read(descriptor)
            if names:
                take(names)
                os.ftruncate(descriptor, 0)


@contextlib.contextmanager
def _locked(path: Path, flags: int) -> Iterator[int]:
    descriptor = os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def _read(descriptor: int) -> dict[str, tuple[Tag, ...]]:
    names: dict[str, tuple[Tag, ...]] = {}
    with os.fdopen(os.dup(descriptor), "rb") as file:
        for line in file:
            try:
                entry = json.loads(line)
                path, tags = str(entry["path"]), read_tags(json.dumps(entry["tags"]))
            except (ValueError, KeyError, TypeError, HaechiError):
                continue  # a full disk or a crash cut the line: the command did not say that it was kept
            names[path] = merge_tags([*names.get(path, ()), *tags])
    return names
