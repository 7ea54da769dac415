"""Korean days and instants: when an entry of the registry holds.

Dates are Korean. A date without a time means the whole day in Korea: ``valid_from`` begins at 00:00 KST and
``valid_until`` lasts until 24:00 KST. The policy input carries the instants.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from haechi.domain.facts import JSON

KST = dt.timezone(dt.timedelta(hours=9), "KST")
"""Korea has had no daylight saving time since 1988, so a fixed offset is right for every date that can occur here."""


@dataclass(frozen=True, slots=True)
class Period:
    """From an instant (inclusive) until an instant (exclusive), both aware; None is without end on that side."""

    start: dt.datetime | None = None
    end: dt.datetime | None = None

    def holds(self, now: dt.datetime) -> bool:
        """Whether ``now`` lies inside."""
        return (self.start is None or self.start <= now) and (self.end is None or now < self.end)

    def as_json(self) -> dict[str, JSON]:
        """Both ends in UTC, RFC 3339."""
        return {
            "valid_from": instant_of(self.start),
            "valid_until": instant_of(self.end),
        }


ALWAYS = Period()
"""Without end on either side."""


def begins(moment: dt.date | dt.datetime) -> dt.datetime:
    """The first instant of a Korean day, or the instant itself."""
    return moment if isinstance(moment, dt.datetime) else dt.datetime.combine(moment, dt.time(), KST)


def ends(moment: dt.date | dt.datetime) -> dt.datetime:
    """The first instant after a Korean day, or the instant itself."""
    if isinstance(moment, dt.datetime):
        return moment
    return dt.datetime.combine(moment + dt.timedelta(days=1), dt.time(), KST)


def days_since(day: dt.date | None, now: dt.datetime) -> int | None:
    """Whole Korean days from a day until ``now``; None where there is no day, or where it has not come yet."""
    if day is None:
        return None
    passed = (now.astimezone(KST).date() - day).days
    return passed if passed >= 0 else None


def instant_of(moment: dt.datetime | None) -> JSON:
    """An instant in UTC, RFC 3339; null where there is none."""
    return moment.astimezone(dt.UTC).isoformat() if moment else None
