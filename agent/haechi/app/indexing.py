"""Bring the index up to date with files: one at a time as they change, or whole folders.

What is looked for in each file is in ``examining``, which folders there are in ``folders``. Nothing here loosens. Every
call may be made from any thread; a file looked at twice at once ends with what it held last. What storage refused is
*owed*: ``settle`` looks again, and the index is ready as soon as all of it was taken. Owed is a file too that changed
under every reading; the index does not wait for it, because it may never rest.
"""

# Names are plain strings here: millions pass, and an object for each would cost more than the work on it.
# ruff: noqa: PTH100, PTH112, PTH114, PTH120

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from haechi.app.batch import BATCH_FILES, Batch
from haechi.app.course import Course
from haechi.app.examining import Examining, cause_of
from haechi.app.folders import Folders
from haechi.app.owed import Owed
from haechi.app.recalling import Recalled
from haechi.app.scan_report import Later, Progress, Report, at_once
from haechi.domain.errors import HaechiError
from haechi.domain.tags import Tag
from haechi.ports.protection import BodyReader, Protection, Unreadable
from haechi.ports.tags import TagSources

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
        self._clock = clock
        self._recall = recall
        self.folders = Folders(exclude)
        self.files = Examining(protection, sources, reader, clock, self._owe)
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
        batch = self.files.batch(report)
        roots = [os.path.abspath(root) for root in roots]
        lost = self._protection.lost
        recalled = self._recall() if lost else Recalled()
        if lost:
            self._protection.restore(recalled.contents.values())
        for folder, inside in self.folders.below(roots, self._unlisted(report)):
            if not course.goes_on(report, folder):
                break
            remembered = {file.path: file for file in self._protection.files_in(folder)}
            for path in inside:
                if not course.goes_on(report, folder):
                    break
                self.files.examine(path, remembered.pop(path, None), report, batch)
            if course.broken_off:
                break
            self._gone(remembered, report)
        self._elsewhere(roots, report, batch, course)
        for path, (_, tags) in recalled.names.items():
            if course.goes_on(report, os.path.dirname(path)) and os.path.lexists(path):
                self.files.examine(path, self._protection.file(path), report, batch, tags)
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

    def _unlisted(self, report: Report) -> Callable[[str, OSError], None]:
        return lambda folder, error: self.files.unreadable(Unreadable(folder, (), cause_of(error)), report)

    def _gone(self, paths: Iterable[str], report: Report) -> None:
        gone = [path for path in paths if not os.path.lexists(path)]
        if gone:
            report.forgotten += len(gone)
            self._protection.forget(gone)

    def _elsewhere(self, roots: Sequence[str], report: Report, batch: Batch, course: Course) -> None:
        """Names that no folder led to: tagged outside the watched folders, or in a folder that is passed over, or gone
        as a whole.
        """
        led_to = self.folders.lead_to(roots)
        for paths in self._remembered():
            self._gone(paths, report)
            for path in paths:
                if not course.goes_on(report, os.path.dirname(path)):
                    return
                if not led_to(os.path.dirname(path)):
                    self.files.examine(path, self._protection.file(path), report, batch)

    def elsewhere(self, roots: Iterable[str]) -> Iterator[str]:
        """Every remembered name that going through these folders does not lead to."""
        led_to = self.folders.lead_to([os.path.abspath(root) for root in roots])
        return (path for paths in self._remembered() for path in paths if not led_to(os.path.dirname(path)))

    def outside(self, roots: Iterable[str], names: Iterable[str]) -> list[str]:
        """Those of these names that going through the folders does not lead to."""
        led_to = self.folders.lead_to([os.path.abspath(root) for root in roots])
        return [name for name in names if not led_to(os.path.dirname(name))]

    def _remembered(self) -> Iterator[Sequence[str]]:
        last = ""
        while paths := self._protection.paths_after(last, BATCH_FILES):
            last = paths[-1]
            yield paths

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
        batch = self.files.batch(report)
        for path in paths:
            if os.path.isdir(path) and not os.path.islink(path):
                for folder, inside in self.folders.below([path], self._unlisted(report)):
                    for file in inside:
                        if not course.goes_on(report, folder):
                            break
                        self.files.examine(file, self._protection.file(file), report, batch, tags)
                    if not course.goes_on(report, folder):
                        break
            elif course.goes_on(report, os.path.dirname(path)):
                self.files.examine(path, self._protection.file(path), report, batch, tags)
        batch.flush()
        course.end(report)
        return report

    def refresh_rules(self) -> None:
        """A ``.haechi.yaml`` changed, or the policy's rules did."""
        self._sources.refresh()

    def gone(self, path: str) -> None:
        """A name vanished. What takes its place within a minute inherits its tags."""
        self.files.gone(path)

    def moved(self, old: str, new: str) -> None:
        """A name changed. What appears under the old one within a minute inherits its tags; so does what was
        replaced.
        """
        self.files.moved(old, new)
