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
from haechi.durable import replace_file
from haechi.outbound.index.writing import read_tags


class PendingNames:
    """JSON Lines, a name and its tags each; bytes that are no text are spelled out."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, names: Sequence[str], tag: Tag) -> None:
        """Keep these names. Raises ``OSError`` where this user cannot, or the disk is full."""
        # Each begins a line of its own, also behind one that a full disk cut.
        lines = b"".join(_lines(dict.fromkeys(names, (tag,))))
        with _locked(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND) as descriptor:
            if os.geteuid() == 0:  # an administrator's command: the agent must be able to take them
                above = self._path.parent.stat()
                os.fchown(descriptor, above.st_uid, above.st_gid)
            rest = memoryview(lines)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
            os.fsync(descriptor)

    def taken(self, take: Callable[[Mapping[str, tuple[Tag, ...]]], Sequence[str]]) -> None:
        """Hand all of them to ``take``; they are kept where it raises. Once it returned, only those that it names stay
        (there is no such file now: a disk that is not there yet, perhaps). Raises ``HaechiError('index.pending')``
        where they cannot be read.
        """
        if not self._path.exists():
            return
        try:
            with _locked(self._path, os.O_RDWR) as descriptor:
                names = _read(descriptor)
                if names:
                    missing = take(names)
                    left = {name: names[name] for name in missing}
                    if len(left) < len(names):
                        replace_file(self._path, b"".join(_lines(left)))
        except OSError as error:
            raise HaechiError("index.pending", path=str(self._path), reason=error.strerror or "") from error


def _lines(names: Mapping[str, tuple[Tag, ...]]) -> Iterator[bytes]:
    for name, tags in names.items():
        yield ("\n" + json.dumps({"path": name, "tags": [dict(tag.as_json()) for tag in tags]}) + "\n").encode("ascii")


@contextlib.contextmanager
def _locked(path: Path, flags: int) -> Iterator[int]:
    while True:
        descriptor = os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if not _is(descriptor, path):
                continue  # replaced while this waited for the lock
            yield descriptor
            return
        finally:
            os.close(descriptor)


def _is(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


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
