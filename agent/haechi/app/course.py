"""How a long look at files goes on: what it tells, whether it is to break off, and what is let by between two files."""

from __future__ import annotations

from collections.abc import Callable

from haechi.app.scan_report import Progress, Report

PROGRESS_EVERY = 0.2
"""Seconds between two words about progress."""


def _nothing() -> None:
    return None


class Course:
    """One look. ``stopped`` is asked, and ``between`` called, between two files; ``progress`` a few times a second."""

    def __init__(
        self,
        clock: Callable[[], float],
        progress: Progress | None = None,
        stopped: Callable[[], bool] = lambda: False,
        between: Callable[[], None] = _nothing,
    ) -> None:
        self._clock, self._progress, self._stopped, self._between = clock, progress, stopped, between
        self._said = 0.0
        self.broken_off = False

    def goes_on(self, report: Report, folder: str) -> bool:
        """Whether the next file is to be looked at. Raises what ``between`` raises."""
        if self._stopped():
            self.broken_off = True
            return False
        self._between()
        if self._progress is not None and self._clock() - self._said >= PROGRESS_EVERY:
            self._said = self._clock()
            self._progress(folder, report.figures())
        return True

    def end(self, report: Report) -> None:
        """Say that it is done."""
        if self._progress is not None:
            self._progress("", report.figures())
