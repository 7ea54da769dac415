"""What is done about changes: each leads to a look at the file as it is; single ones come first.

Folders, and many files at once, are bulk: between two files of it, single changes that came meanwhile are looked at.
Large files are handed to a thread of their own.
"""

# Names are plain strings here: millions pass, and an object for each would cost more than the work on it.
# ruff: noqa: PTH112, PTH114, PTH119, PTH120

from __future__ import annotations

import os
import time
from collections.abc import Callable

import structlog

from haechi.app.indexing import Indexing
from haechi.app.misunderstood import Misunderstood
from haechi.app.scan_report import Progress
from haechi.domain.errors import HaechiError
from haechi.domain.tags import Tag
from haechi.inbound.watch.changes import Change, Changes, Kind
from haechi.inbound.watch.large import LargeFiles

RULES = ".haechi.yaml"
FEW = 256
"""Files that are looked at together; more at once are bulk, which single changes overtake."""
OVERTAKE_EVERY = 0.02
"""Seconds of bulk work between two looks for single changes."""
PATIENCE = 0.5
"""Seconds until the first new try where the index could not be written."""
_log = structlog.get_logger(__name__)


class Following:
    """Carries out what ``changes`` holds. One thread calls it, beside that of ``large``. ``failures`` counts what went
    wrong with large files.
    """

    def __init__(
        self, indexing: Indexing, changes: Changes, progress: Progress | None, stopped: Callable[[], bool]
    ) -> None:
        self._indexing = indexing
        self._changes = changes
        self._progress = progress
        self._stopped = stopped
        self._overtaken = 0.0
        self.large = LargeFiles(self._look_at_large)
        self.failures = 0
        self.misunderstood = Misunderstood(
            lambda one: _log.warning("watch.not-understood", code=one.code, **one.params)
        )

    def let_overtake(self) -> None:
        """Look at single changes that came meanwhile: called between two files of bulk work. Raises as ``apply``."""
        now = time.monotonic()
        if now - self._overtaken < OVERTAKE_EVERY:
            return
        self._overtaken = now
        due = self._changes.overtaking(now)
        try:
            self.apply(due)
        except HaechiError:
            self._changes.put_back(due)
            raise
        self._changes.done()

    def apply_bulk(self) -> None:
        """Some of the second lane: a folder, or the files before the next one. Raises as ``apply``."""
        bulk = self._changes.bulk(FEW)
        folders = (number for number, change in enumerate(bulk) if os.path.isdir(change.path))
        first = next(folders, len(bulk))
        some = bulk[: max(first, 1)]
        if some:
            paths = [change.path for change in some]
            report = self._indexing.examine(
                paths,
                later=self.large.put,
                progress=self._progress,
                stopped=self._stopped,
                between=self.let_overtake,
            )
            self.misunderstood.update(paths, report.problems)
            self._changes.looked_at(some)

    def apply(self, due: list[Change]) -> None:
        """Carry changes out, in their order; folders and many files wait behind. Raises ``HaechiError`` where the index
        cannot be written.
        """
        touched: dict[str, float] = {}
        for change in due:
            if change.kind is Kind.TOUCHED:
                touched[change.path] = change.since
                continue
            self._look(touched)
            touched = {}
            if change.kind is Kind.GONE:
                if not os.path.lexists(change.path):
                    self._indexing.gone(change.path)
            else:
                self._indexing.moved(change.path, change.new)
                touched[change.new] = change.since
        self._look(touched)

    def _look(self, touched: dict[str, float]) -> None:
        """Look at a few files at once; folders, and more than a few, are bulk."""
        if any(os.path.basename(path) == RULES for path in touched):
            self._indexing.refresh_rules()
        files: list[str] = []
        folders: dict[str, float] = {}
        for path, since in touched.items():
            if os.path.basename(path) == RULES:  # it speaks of all that lies below its folder
                folders[os.path.dirname(path)] = since
            elif os.path.isdir(path) and not os.path.islink(path):
                folders[path] = since
            elif not (self.large.holds(path) and self.large.put(path, ())):
                files.append(path)
        self._changes.defer(Change(Kind.TOUCHED, path, since=since) for path, since in folders.items())
        if len(files) > FEW:
            self._changes.defer(Change(Kind.TOUCHED, path, since=touched[path]) for path in files)
        elif files:
            self.misunderstood.update(files, self._indexing.examine(files, later=self.large.put).problems)

    def _look_at_large(self, path: str, tags: tuple[Tag, ...]) -> None:
        try:
            self.misunderstood.update([path], self._indexing.examine([path], tags).problems)
            if not os.path.lexists(path):  # gone while it was read
                self._indexing.gone(path)
        except HaechiError as error:  # owed: the worker looks again
            self.failures += 1
            _log.error("watch.index-failed", code=error.code, again_in=PATIENCE)
        except Exception as error:  # as in the worker
            self.failures += 1
            self._indexing.doubt(error)
            _log.exception("watch.failed")
