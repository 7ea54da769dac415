"""The audit's files: segments named by their first sequence number, and finding the end of a chain after a crash.

======================  ==========================================================
file                    holds
======================  ==========================================================
``000000000001.jsonl``  records from number 1; the next segment's name says where it ends
``checkpoints.jsonl``   copies of the signed checkpoints, to be witnessed elsewhere
``checkpoint-keys.json``the public keys that signed them (JWKS); ``….unreadable-N``: what could not be read of them
``torn-….bin``          the end of a segment that a crash had left unfinished
``lock``                held by the agent that writes
======================  ==========================================================
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TypeVar, cast

from haechi.domain.audit import MAX_LINE, Link, Record, read_line
from haechi.domain.errors import FULL, HaechiError
from haechi.domain.facts import JSON
from haechi.durable import sync_folder

CHECKPOINTS = "checkpoints.jsonl"
KEYS = "checkpoint-keys.json"
LOCK = "lock"

_SEGMENT = re.compile(r"\d{12,}\.jsonl")
_WINDOW = 64 * 1024


def named(error: OSError, folder: Path) -> HaechiError:
    """The cause of a failed write, for people: ``audit.disk-full``, ``audit.unwritable`` or ``audit.broken``."""
    if error.errno in FULL:
        return HaechiError("audit.disk-full", folder=str(folder))
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR):
        return HaechiError("audit.unwritable", folder=str(folder), cause=error.strerror or "")
    return HaechiError("audit.broken", folder=str(folder), cause=error.strerror or type(error).__name__)


def segment_path(folder: Path, first: int) -> Path:
    """The path of the segment whose first record has this number."""
    return folder / f"{first:012d}.jsonl"


_Folder = TypeVar("_Folder", bound=Traversable)


def segments(folder: _Folder) -> list[_Folder]:
    """All segments in the order of the chain. Raises ``HaechiError('audit.missing')``."""
    try:
        found = [cast("_Folder", path) for path in folder.iterdir() if _SEGMENT.fullmatch(path.name)]
    except OSError as error:
        raise HaechiError("audit.missing", folder=str(folder), cause=error.strerror or "") from error
    return sorted(found, key=first_of)


def first_of(segment: Traversable) -> int:
    """The number of the first record, by the segment's name."""
    return int(segment.name.removesuffix(".jsonl"))


def lines(path: Traversable, start: int = 0) -> Iterator[tuple[bytes, int]]:
    """Each line with its line feed and the offset after it; the last one may lack it. Longer ones come in pieces."""
    with path.open("rb") as file:
        file.seek(start)
        offset = start
        while line := file.readline(MAX_LINE + 1):
            offset += len(line)
            yield line, offset


def prepare_folder(folder: Path) -> None:
    """Make the folder, for its owner alone. Raises ``OSError``."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_mode & 0o077:
        folder.chmod(0o700)


def take_lock(folder: Path) -> int:
    """Become the one who writes here; the handle holds the lock.

    Raises ``HaechiError('audit.locked')``, ``OSError``.
    """
    handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.read(handle, 32).decode("ascii", "replace").strip()
        os.close(handle)
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            raise HaechiError("audit.locked", folder=str(folder), pid=holder or "?") from error
        raise
    os.ftruncate(handle, 0)
    os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
    return handle


@dataclass(frozen=True, slots=True)
class Torn:
    """The end of a segment that is no record: kept aside under ``kept_as``."""

    segment: str
    offset: int
    size: int
    sha256: str
    kept_as: str

    def as_json(self) -> dict[str, JSON]:
        """The form in the record that tells of it."""
        return {
            "segment": self.segment,
            "offset": self.offset,
            "bytes": self.size,
            "sha256": self.sha256,
            "kept_as": self.kept_as,
        }


@dataclass(frozen=True, slots=True)
class End:
    """Where a chain ends: its last record, and the segment to go on in (None where a new one is due)."""

    link: Link
    path: Path | None
    torn: tuple[Torn, ...] = ()


def recover(folder: Path, stamp: str) -> End:
    """Find the last whole record; set aside what lies behind it. ``stamp`` makes the names of what is set aside.

    Nothing is thrown away: the bytes are durable under their new name before the segment is cut. Raises ``OSError``.
    """
    torn: list[Torn] = []
    for path in reversed(segments(folder)):
        record, good = _last_record(path)
        size = path.stat().st_size
        if size > good:
            torn.append(_set_aside(folder, path, good, f"torn-{path.stem}-{stamp}.bin"))
        if record is not None:
            return End(Link(record.seq, record.hash), path, tuple(torn))
        path.unlink()
    return End(Link(), None, tuple(torn))


def _last_record(path: Path) -> tuple[Record | None, int]:
    """The last intact record and the offset behind it; read backwards, so that a long segment costs nothing."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        window = _WINDOW
        while True:
            start = max(0, size - window)
            file.seek(start)
            data = file.read(size - start)
            end = data.rfind(b"\n")
            while end >= 0:
                begin = data.rfind(b"\n", 0, end) + 1
                if begin == 0 and start > 0:
                    break
                record, intact = read_line(data[begin:end])
                if record is not None and intact:
                    return record, start + end + 1
                end = begin - 1
            if start == 0:
                return None, 0
            window *= 4


def _set_aside(folder: Path, path: Path, offset: int, name: str) -> Torn:
    digest = hashlib.sha256()
    kept = folder / name
    with path.open("r+b") as source:
        source.seek(offset)
        size = 0
        target = os.open(kept, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(target, "wb") as copy:
            while data := source.read(1024 * 1024):
                digest.update(data)
                size += len(data)
                copy.write(data)
            copy.flush()
            os.fsync(copy.fileno())
        sync_folder(folder)
        source.truncate(offset)
        os.fsync(source.fileno())
    return Torn(path.name, offset, size, digest.hexdigest(), name)
