"""When the ministry's technical review of an application would end, by the institution's own count.

The law caps the review (45 days, one extension of 45: Decree 15, 16, by a secondary source). From when it runs, and
whether in calendar or working days, was not found, so both are the institution's choice, and without one nothing is
computed. Whatever comes out authorises nothing (R26): it tells people when to ask.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum


class Starts(StrEnum):
    """Which Korean day is the first one counted."""

    SUBMITTED = "submitted"
    """The day on which the application was submitted."""
    NEXT_DAY = "next-day"
    """The day after."""


class Count(StrEnum):
    """Which days are counted."""

    CALENDAR = "calendar"
    WORKING = "working"
    """Monday to Friday without ``holidays``."""


@dataclass(frozen=True, slots=True)
class ReviewEnd:
    """The last Korean day of the review, and the last one if it is extended once."""

    last_day: dt.date
    extended: dt.date

    def over(self, today: dt.date) -> bool:
        """Whether even an extended review would be over on a Korean day. Nothing follows from it by itself."""
        return today > self.extended


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The institution's count. ``starts`` and ``count`` are None where it has not chosen."""

    starts: Starts | None = None
    length_days: int = 45
    extension_days: int = 45
    count: Count | None = None
    holidays: frozenset[dt.date] = frozenset()

    @property
    def chosen(self) -> bool:
        """Whether anything can be computed."""
        return self.starts is not None and self.count is not None

    def ends(self, submitted_on: dt.date | None) -> ReviewEnd | None:
        """None where the institution has not chosen, or the day of submission is not in the registry."""
        if not self.chosen or submitted_on is None:
            return None
        first = submitted_on if self.starts is Starts.SUBMITTED else submitted_on + dt.timedelta(days=1)
        return ReviewEnd(self._last(first, self.length_days), self._last(first, self.length_days + self.extension_days))

    def _last(self, first: dt.date, days: int) -> dt.date:
        if self.count is Count.CALENDAR:
            return first + dt.timedelta(days=days - 1)
        day, left = first, days
        while True:
            left -= day.weekday() < 5 and day not in self.holidays
            if left <= 0:
                return day
            day += dt.timedelta(days=1)
