"""The index as those see it who fill it: which files are tagged, and what is remembered of them.

Every call may be made from any thread. What a call changed is seen by scans when it returns. All raise ``HaechiError``:
``index.corrupt``, ``index.locked``, ``index.full`` (the disk, or the room for fingerprints).
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from haechi.domain.errors import HaechiError
from haechi.domain.tags import Tag

NEVER = -1
"""A time of change that no file has."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """By what a file is known to be the one seen before, unchanged. Times are nanoseconds."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int

    def unsettled(self) -> Stamp:
        """The stamp of a file that may have been written to after it was read, with this stamp nevertheless: it equals
        none that a file has, so that the next look reads the file again.
        """
        return replace(self, ctime_ns=NEVER)


@dataclass(frozen=True, slots=True)
class TaggedFile:
    """One name of a tagged file. ``content`` is the id of what it holds, None while it is empty."""

    path: str
    stamp: Stamp
    tags: tuple[Tag, ...]
    content: int | None = None
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Fingerprints:
    """The body of a file: digest (``blake3:<hex>``), size, and its distinct blocks with where they begin.

    ``prints`` are packed 64-bit fingerprints, ``units`` their beginnings in units of 512 bytes. ``torn``: the file
    changed under every reading, so this is a mixture, and the file is to be read again without a further event.
    """

    digest: str
    size: int
    prints: array[int] = field(default_factory=lambda: array("Q"))
    units: array[int] = field(default_factory=lambda: array("I"))
    torn: bool = False


@dataclass(frozen=True, slots=True)
class Observed:
    """A tagged file that was read: its tags and its body."""

    path: str
    stamp: Stamp
    tags: tuple[Tag, ...]
    body: Fingerprints


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file that could not be read, with the tags that its name has and the cause (``permission-denied`` …)."""

    path: str
    tags: tuple[Tag, ...]
    cause: str


@dataclass(frozen=True, slots=True)
class Known:
    """A content of which no more than this is known: no block of it. ``sealed``: ciphertext of our own making."""

    digest: str
    size: int
    name: str
    tags: tuple[Tag, ...]
    sealed: bool = False


class Protection(Protocol):
    """What is remembered of tagged files."""

    @property
    def seed(self) -> int:
        """The secret that fingerprints of this installation are keyed with."""

    def file(self, path: str) -> TaggedFile | None:
        """What is remembered under this name."""

    def files_of(self, device: int, inode: int) -> Sequence[TaggedFile]:
        """Every name that this file is remembered under."""

    def files(self, below: str = "/") -> Sequence[TaggedFile]:
        """Every remembered name at or below a folder, ordered."""

    def tags_of(self, digest: str) -> tuple[Tag, ...]:
        """The tags of a content, empty where it is not protected. Ciphertext of our own making is not asked for
        here.
        """

    def has_size(self, size: int) -> bool:
        """Whether some protected content has this size: whether a file may be a copy."""

    def may_know(self, inode: int) -> bool:
        """Whether ``files_of`` may know this inode. In memory."""

    def count(self) -> int:
        """How many names are remembered."""

    def files_in(self, folder: str) -> Sequence[TaggedFile]:
        """Every remembered name directly in a folder, ordered."""

    def paths_after(self, path: str, most: int) -> Sequence[str]:
        """The next remembered names in order, to go through all of them in steps."""

    def observe(self, seen: Sequence[Observed]) -> None:
        """Remember files as they are now. Tags of a content only tighten here."""

    def forget(self, paths: Iterable[str]) -> None:
        """These names are gone. What they held stays protected."""

    def moved(self, old: str, new: str) -> None:
        """A name changed, of a file or a folder with all below it."""

    def release(self, digest: str, tags: tuple[Tag, ...]) -> None:
        """Replace the tags of a content and of every name of it; none at all ends its protection.

        The only call that loosens: whoever calls it has verified a signed release.
        """

    def unreadable(self) -> Sequence[Unreadable]:
        """Every file that could not be read when it was last tried."""

    def mark_unreadable(self, files: Iterable[Unreadable]) -> None:
        """Report files that could not be read. One that is observed or forgotten later is taken off."""

    @property
    def common_mark(self) -> str:
        """The mark of what ``set_common`` last told; empty before."""

    def set_common(self, mark: str, prints: array[int]) -> None:
        """These blocks, and no others, are everywhere: they do not count as an excerpt of a content, unless the greater
        part of it is such blocks.
        """

    @property
    def whole(self) -> bool:
        """Whether all folders were gone through since the start, and since storage failed last."""

    @property
    def problem(self) -> HaechiError | None:
        """Why storage failed last; None once all was gone through again."""

    def doubt(self, problem: HaechiError) -> None:
        """Something may be missing, because of ``problem``: not ``ready`` until all was gone through again."""

    def renew(self) -> Path | None:
        """Take storage up again after a failure; what is damaged is set aside, where the answer says, and made anew.

        Raises ``HaechiError('index.…')`` while it can not be used.
        """

    @property
    def failures(self) -> int:
        """How often storage failed so far."""

    @property
    def lost(self) -> bool:
        """Whether storage is new, or was made anew, and what is known elsewhere of it was not all looked at since."""

    def restore(self, known: Iterable[Known]) -> None:
        """Protect contents whole, by their digests; a file that holds one gives its blocks when it is observed. May be
        repeated.
        """

    def recalled(self) -> None:
        """All that is known elsewhere was restored and looked at: storage is not ``lost`` any more."""

    def mark_ready(self, failures: int | None = None) -> None:
        """Nothing is missing. Does nothing where storage failed since ``failures`` was read: then something may be.

        Raises ``HaechiError('index.…')`` where memory cannot be brought up to what is stored.
        """


class BodyReader(Protocol):
    """Reads files and fingerprints them."""

    def read(self, path: str) -> tuple[Stamp, Fingerprints]:
        """The body of a regular file as it is now, and the stamp under which it need not be read again. Raises
        ``OSError``.
        """
