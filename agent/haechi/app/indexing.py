"""Bring the index up to date with files: one at a time as they change, or whole folders.

What makes a file tagged, all of it merged: what is written for it now (``ports.tags``), what is remembered of its
name, of the
same file under another name, of the content it holds, and of a name that vanished a moment ago (editors save by
replacing).
So tags follow the name when new content takes it, and the content when it moves; and the loss of an attribute unties
nothing.

A file without any tag is never read, unless it has the size of a protected content: then it may be a copy.
Nothing here loosens. Every call may be made from any thread; a file looked at twice at once ends with what it held
last. What storage refused is *owed*: ``settle`` looks again, and the index is ready as soon as all of it was taken.
Owed is a file too that changed under every reading; the index does not wait for it, because it may never rest.
"""

# Names are plain strings here: millions pass, and an object for each would cost more than the work on it.
# ruff: noqa: PTH100, PTH112, PTH114, PTH116, PTH120

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from haechi.app.batch import BATCH_FILES, Batch
from haechi.app.course import Course
from haechi.app.departed import Departed
from haechi.app.owed import Owed
from haechi.app.recalling import Recalled
from haechi.app.scan_report import Later, Progress, Report, at_once
from haechi.domain.errors import HaechiError
from haechi.domain.tags import Tag, TagOrigin, merge_tags
from haechi.ports.protection import BodyReader, Observed, Protection, Stamp, TaggedFile, Unreadable
from haechi.ports.tags import TagReading, TagSources

LARGE_BYTES = 64 << 20
"""What is smaller is read within a fraction of a second."""
_SKIPPED = frozenset({"/proc", "/sys", "/dev"})
_CAUSES = {errno.EACCES: "permission-denied", errno.EPERM: "permission-denied", errno.EIO: "input-output-error"}

Clock = Callable[[], float]
"""Seconds that only grow."""


class Indexing:
    """The use case."""

    def __init__(
        self,
        protection: Protection,
        sources: TagSources,
        reader: BodyReader,
        *,
        exclude: Callable[[str], bool] = lambda path: False,
        clock: Clock = time.monotonic,
        recall: Callable[[], Recalled] = Recalled,
    ) -> None:
        """``exclude`` tells folders, by path, that a scan passes over. ``recall`` gives what is known elsewhere of what
        a lost index knew; it is asked by the scan that follows.
        """
        self._protection = protection
        self._sources = sources
        self._reader = reader
        self._exclude = exclude
        self._clock = clock
        self._recall = recall
        self._departed = Departed(clock)
        self._owed = Owed()
        self._complete = False
        """Whether all was gone through since the start, and what storage refused since is owed."""
        self._doubts = 0
        """How often it was found that more may be missing than is owed: a scan under way does not settle that."""

    @property
    def ready(self) -> bool:
        """Whether nothing that is protected is missing from the index."""
        return self._protection.whole

    @property
    def behind(self) -> bool:
        """Whether a scan of everything is due: there was none yet, or too much was refused, or storage is damaged."""
        return not self._protection.whole and (not self._complete or self._damaged)

    @property
    def owes(self) -> bool:
        """Whether ``settle`` has something to do."""
        return bool(self._owed) or (self._complete and not self._protection.whole)

    @property
    def _damaged(self) -> bool:
        problem = self._protection.problem
        return problem is not None and problem.code == "index.corrupt"

    def mend(self) -> Path | None:
        """Take up storage that was found damaged. Answers where the damaged one was put; a scan is due afterwards."""
        if not self._damaged:
            return None
        self._incomplete()
        return self._protection.renew()

    def doubt(self, error: Exception) -> None:
        """A look failed in a way that nobody foresaw: what it would have found may be missing, and nothing is harmless,
        until all was gone through again.
        """
        self._incomplete()
        self._protection.doubt(HaechiError("index.scan-failed", cause=type(error).__name__))

    def settle(
        self,
        later: Later = at_once,
        *,
        stopped: Callable[[], bool] = lambda: False,
        between: Callable[[], None] = lambda: None,
    ) -> None:
        """Look again at what is owed, each once; the index is ready afterwards, where all was gone through before.
        ``later`` may take large files that changed under every reading, not what storage refused. Raises
        ``HaechiError`` while storage refuses still.
        """
        failures = self._protection.failures
        later = later if self._protection.whole else at_once
        for look in self._owed.due():
            course = Course(self._clock, None, stopped, between)
            self._look_at([look.path], look.tags, course, later)
            if course.broken_off:
                return
            self._owed.paid(look)
        if self._complete and not self._damaged:
            self._protection.mark_ready(failures)

    def _owe(self, paths: Iterable[str], tags: tuple[Tag, ...] = ()) -> None:
        if not self._owed.add(paths, tags):
            self._incomplete()

    def _incomplete(self) -> None:
        self._doubts += 1
        self._complete = False

    # --- whole folders --------------------------------------------------------------------------------------------

    def scan(
        self,
        roots: Iterable[str],
        progress: Progress | None = None,
        *,
        stopped: Callable[[], bool] = lambda: False,
        between: Callable[[], None] = lambda: None,
    ) -> Report:
        """Go through folders, and through every remembered name outside of them. ``progress`` is called a few times a
        second and once at the end, ``stopped`` and ``between`` before every file.

        The index is *ready* afterwards, unless ``stopped`` said to break off.
        """
        self._sources.refresh()
        failures, doubts = self._protection.failures, self._doubts
        report, course = Report(), Course(self._clock, progress, stopped, between)
        batch = self._batch(report)
        roots = [os.path.abspath(root) for root in roots]
        lost = self._protection.lost
        recalled = self._recall() if lost else Recalled()
        if lost:
            self._protection.restore(recalled.contents.values())
        for folder, inside in self._folders(roots, report):
            if not course.goes_on(report, folder):
                break
            remembered = {file.path: file for file in self._protection.files_in(folder)}
            for path in inside:
                if not course.goes_on(report, folder):
                    break
                self._examine(path, remembered.pop(path, None), report, batch)
            if course.broken_off:
                break
            self._gone(remembered, report)
        self._elsewhere(roots, report, batch, course)
        for path, (_, tags) in recalled.names.items():
            if course.goes_on(report, os.path.dirname(path)) and os.path.lexists(path):
                self._examine(path, self._protection.file(path), report, batch, tags)
        batch.flush()
        if course.broken_off:
            return report
        if lost:
            self._protection.recalled()
        self._complete = doubts == self._doubts
        if self._complete:
            self._protection.mark_ready(failures)
        if self.owes:
            self.settle()
        course.end(report)
        return report

    def _folders(self, roots: Iterable[str], report: Report) -> Iterator[tuple[str, list[str]]]:
        """Every folder, with the paths in it that are no folders; each is listed once. One that cannot be listed comes
        empty, and is reported.
        """
        waiting = [os.path.abspath(root) for root in roots]
        while waiting:
            folder = waiting.pop()
            if folder in _SKIPPED or self._exclude(folder):
                continue
            inside: list[str] = []
            try:
                with os.scandir(folder) as entries:
                    for entry in entries:
                        (waiting if entry.is_dir(follow_symlinks=False) else inside).append(entry.path)
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.ENOTDIR):
                    self._report_unreadable(Unreadable(folder, (), _cause(error)), report)
            yield folder, inside

    def _gone(self, paths: Iterable[str], report: Report) -> None:
        gone = [path for path in paths if not os.path.lexists(path)]
        if gone:
            report.forgotten += len(gone)
            self._protection.forget(gone)

    def _elsewhere(self, roots: Sequence[str], report: Report, batch: Batch, course: Course) -> None:
        """Names that no folder led to: tagged outside the watched folders, or in a folder that is passed over, or gone
        as a whole.
        """
        led_to = self._led_to(roots)
        for paths in self._remembered():
            self._gone(paths, report)
            for path in paths:
                if not course.goes_on(report, os.path.dirname(path)):
                    return
                if not led_to(os.path.dirname(path)):
                    self._examine(path, self._protection.file(path), report, batch)

    def elsewhere(self, roots: Iterable[str]) -> Iterator[str]:
        """Every remembered name that going through these folders does not lead to."""
        led_to = self._led_to([os.path.abspath(root) for root in roots])
        return (path for paths in self._remembered() for path in paths if not led_to(os.path.dirname(path)))

    def outside(self, roots: Iterable[str], names: Iterable[str]) -> list[str]:
        """Those of these names that going through the folders does not lead to."""
        led_to = self._led_to([os.path.abspath(root) for root in roots])
        return [name for name in names if not led_to(os.path.dirname(name))]

    def _remembered(self) -> Iterator[Sequence[str]]:
        last = ""
        while paths := self._protection.paths_after(last, BATCH_FILES):
            last = paths[-1]
            yield paths

    def _led_to(self, roots: Sequence[str]) -> Callable[[str], bool]:
        """Whether a scan of these comes to a folder: it lies in one of them, and none on the way is passed over."""
        known: dict[str, bool] = {root: not self._exclude(root) for root in roots}

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
                led = known[below] = led and not self._exclude(below)
            return led

        return led_to

    # --- single files ---------------------------------------------------------------------------------------------

    def examine(
        self,
        paths: Iterable[str],
        tags: tuple[Tag, ...] = (),
        later: Later = at_once,
        *,
        progress: Progress | None = None,
        stopped: Callable[[], bool] = lambda: False,
        between: Callable[[], None] = lambda: None,
    ) -> Report:
        """Look at files that may have changed, and at every file of folders that are new. ``tags`` are added to what
        is found. The rest is as in ``scan``.

        When this returns, uploads of their content are recognised, except of those large files that ``later`` took.
        Where it raises ``HaechiError``, all of it is owed.
        """
        whole = [os.path.abspath(path) for path in paths]
        try:
            return self._look_at(whole, tags, Course(self._clock, progress, stopped, between), later)
        except HaechiError:
            self._owe(whole, tags)
            raise

    def _look_at(self, paths: Sequence[str], tags: tuple[Tag, ...], course: Course, later: Later = at_once) -> Report:
        report = Report(later=later)
        batch = self._batch(report)
        for path in paths:
            if os.path.isdir(path) and not os.path.islink(path):
                for folder, inside in self._folders([path], report):
                    for file in inside:
                        if not course.goes_on(report, folder):
                            break
                        self._examine(file, self._protection.file(file), report, batch, tags)
                    if not course.goes_on(report, folder):
                        break
            elif course.goes_on(report, os.path.dirname(path)):
                self._examine(path, self._protection.file(path), report, batch, tags)
        batch.flush()
        course.end(report)
        return report

    def refresh_rules(self) -> None:
        """A ``.haechi.yaml`` changed, or the policy's rules did."""
        self._sources.refresh()

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

    def _examine(
        self, path: str, known: TaggedFile | None, report: Report, batch: Batch, added: tuple[Tag, ...] = ()
    ) -> None:
        """One strange file must not keep the others from being looked at: what is wrong with it is reported."""
        try:
            self._observe(path, known, report, batch, added)
        except HaechiError:
            raise
        except Exception as error:
            tags = merge_tags([*self._by_name(path), *(known.tags if known else ()), *added])
            self._report_unreadable(Unreadable(path, tags, _unforeseen(error)), report)

    def _batch(self, report: Report) -> Batch:
        def failed(seen: Observed, error: Exception) -> None:
            self._report_unreadable(Unreadable(seen.path, seen.tags, _unforeseen(error)), report)

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
            stamp, body = self._reader.read(path)
        except FileNotFoundError:
            if known is not None and not os.path.lexists(path):
                self.gone(path)
            return
        except OSError as error:
            if error.errno in (errno.ENOTDIR, errno.ELOOP, errno.EINVAL):
                return
            tags = merge_tags([*reading.tags, *self._by_name(path), *remembered, *added])
            self._report_unreadable(Unreadable(path, tags, _cause(error)), report)
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

    def _report_unreadable(self, file: Unreadable, report: Report) -> None:
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


def _cause(error: OSError) -> str:
    return _CAUSES.get(error.errno or 0, "unreadable")
