"""Look at one file: what makes it tagged, and where it is, what it holds.

What makes a file tagged, all of it merged: what is written for it now (``ports.tags``), what is remembered of its
name, of the same file under another name, of the content it holds, and of a name that vanished a moment ago (editors
save by replacing). So tags follow the name when new content takes it, and the content when it moves; and the loss of an
attribute unties nothing.

A file without any tag is never read, unless it has the size of a protected content: then it may be a copy.
"""

# Names are plain strings here: millions pass, and an object for each would cost more than the work on it.
# ruff: noqa: PTH116

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

from haechi.app.batch import Batch
from haechi.app.departed import Departed
from haechi.app.scan_report import Report
from haechi.domain.errors import HaechiError
from haechi.domain.tags import Tag, TagOrigin, merge_tags
from haechi.ports.protection import BodyReader, Observed, Protection, Stamp, TaggedFile, Unreadable
from haechi.ports.tags import TagReading, TagSources

LARGE_BYTES = 64 << 20
"""What is smaller is read within a fraction of a second."""
_CAUSES = {errno.EACCES: "permission-denied", errno.EPERM: "permission-denied", errno.EIO: "input-output-error"}


class Owe(Protocol):
    """Takes names that have to be looked at again, and the tags to add then."""

    def __call__(self, paths: Iterable[str], tags: tuple[Tag, ...] = ()) -> None:
        """Remember them."""


class Examining:
    """Looks at files, from any thread. ``clock`` gives seconds that only grow."""

    def __init__(
        self,
        protection: Protection,
        sources: TagSources,
        reader: BodyReader,
        clock: Callable[[], float],
        owe: Owe,
    ) -> None:
        self._protection = protection
        self._sources = sources
        self.reader = reader
        self._departed = Departed(clock)
        self._owe = owe

    def gone(self, path: str) -> None:
        """A name vanished. What takes its place within a minute inherits its tags."""
        for file in self._protection.files(path):
            self._departed.add(file.path, file.tags)
        self._protection.forget([path])

    def moved(self, old: str, new: str) -> None:
        """A name changed. What appears under the old one within a minute inherits its tags; so does what was
        replaced.
        """
        for file in self._protection.files(old):
            self._departed.add(file.path, file.tags)
        for file in self._protection.files(new):
            self._departed.add(file.path, file.tags)
        self._protection.moved(old, new)

    def examine(
        self, path: str, known: TaggedFile | None, report: Report, batch: Batch, added: tuple[Tag, ...] = ()
    ) -> None:
        """Look at one file. A strange one must not keep the others from being looked at: what is wrong with it is
        reported. Raises ``HaechiError`` where the index cannot be written.
        """
        try:
            self._observe(path, known, report, batch, added)
        except HaechiError:
            raise
        except Exception as error:
            tags = merge_tags([*self._by_name(path), *(known.tags if known else ()), *added])
            self.unreadable(Unreadable(path, tags, _unforeseen(error)), report)

    def batch(self, report: Report) -> Batch:
        """What is found goes into this; what it cannot take is reported, or owed."""

        def failed(seen: Observed, error: Exception) -> None:
            self.unreadable(Unreadable(seen.path, seen.tags, _unforeseen(error)), report)

        return Batch(self._protection, self._owe, failed)

    def _observe(
        self, path: str, known: TaggedFile | None, report: Report, batch: Batch, added: tuple[Tag, ...]
    ) -> None:
        remembered = known.tags if known else ()
        reading = TagReading()
        try:
            status = os.stat(path)
            if not stat.S_ISREG(status.st_mode):
                return
            report.files += 1
            reading = self._sources.read(path)
            report.problems.update(dict.fromkeys(reading.problems))
            stamp = Stamp(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
            inherited = (
                [*self._departed.tags(path), *self._same_file(path, stamp)] if self._departed or not known else ()
            )
            tags = merge_tags([*reading.tags, *remembered, *inherited, *added])
            if not tags and not self._protection.has_size(status.st_size):
                return
            if tags and known is not None and known.stamp == stamp and known.tags == tags:
                report.tagged += 1
                return
            if status.st_size >= LARGE_BYTES and report.later(path, tags):
                return
            stamp, body = self.reader.read(path)
        except FileNotFoundError:
            if known is not None and not os.path.lexists(path):
                self.gone(path)
            return
        except OSError as error:
            if error.errno in (errno.ENOTDIR, errno.ELOOP, errno.EINVAL):
                return
            tags = merge_tags([*reading.tags, *self._by_name(path), *remembered, *added])
            self.unreadable(Unreadable(path, tags, cause_of(error)), report)
            return
        if body.torn:
            self._owe([path], added)
        of_content = self._protection.tags_of(body.digest) if body.size else ()
        tags = merge_tags([*tags, *(_by_content(of_content))])
        if not tags:
            return
        report.tagged += 1
        report.indexed += 1
        report.bytes += body.size
        batch.add(Observed(path, stamp, tags, body))

    def _same_file(self, path: str, stamp: Stamp) -> list[Tag]:
        """Tags of the same file under another name: a hard link, or renamed while nobody watched. An inode alone proves
        nothing, because numbers are used again.
        """
        if not self._protection.may_know(stamp.inode):
            return []
        tags: list[Tag] = []
        for file in self._protection.files_of(stamp.device, stamp.inode):
            same = (file.stamp.size, file.stamp.mtime_ns) == (stamp.size, stamp.mtime_ns)
            if file.path != path and (same or _is(file.path, stamp)):
                tags += file.tags
        return tags

    def _by_name(self, path: str) -> Sequence[Tag]:
        try:
            return self._sources.by_name(path).tags
        except Exception:  # whatever is wrong with the name, its file is reported
            return ()

    def unreadable(self, file: Unreadable, report: Report) -> None:
        """Report and remember that a file, or a folder, cannot be read."""
        report.unreadable.append(file)
        self._protection.mark_unreadable([file])


def _by_content(tags: tuple[Tag, ...]) -> Iterator[Tag]:
    for tag in tags:
        yield (
            tag
            if tag.origin is TagOrigin.CONTENT
            else Tag(tag.technology, tag.grade, tag.funding, tag.owner, tag.marked_at, TagOrigin.CONTENT)
        )


def _is(path: str, stamp: Stamp) -> bool:
    try:
        status = os.stat(path)
    except OSError:
        return False
    return (status.st_dev, status.st_ino) == (stamp.device, stamp.inode)


def _unforeseen(error: Exception) -> str:
    return f"failed-{type(error).__name__}"


def cause_of(error: OSError) -> str:
    """Why a file or folder could not be read, as it is shown."""
    return _CAUSES.get(error.errno or 0, "unreadable")
