"""When a review would end, by the institution's own count of Korean days."""

from __future__ import annotations

import datetime as dt

import pytest
from haechi.domain.registry import Count, Evaluation, Starts
from hypothesis import given
from hypothesis import strategies as st

MONDAY = dt.date(2026, 3, 2)
SATURDAY = dt.date(2026, 3, 7)


@pytest.mark.parametrize(
    ("starts", "count", "submitted", "length", "last"),
    [
        (Starts.SUBMITTED, Count.CALENDAR, MONDAY, 1, MONDAY),
        (Starts.NEXT_DAY, Count.CALENDAR, MONDAY, 1, dt.date(2026, 3, 3)),
        (Starts.SUBMITTED, Count.CALENDAR, MONDAY, 45, dt.date(2026, 4, 15)),
        (Starts.SUBMITTED, Count.WORKING, MONDAY, 5, dt.date(2026, 3, 6)),
        (Starts.SUBMITTED, Count.WORKING, MONDAY, 6, dt.date(2026, 3, 9)),
        (Starts.SUBMITTED, Count.WORKING, SATURDAY, 1, dt.date(2026, 3, 9)),
        (Starts.NEXT_DAY, Count.WORKING, dt.date(2026, 3, 6), 1, dt.date(2026, 3, 9)),
        (Starts.SUBMITTED, Count.CALENDAR, dt.date(2028, 2, 28), 3, dt.date(2028, 3, 1)),
    ],
)
def test_the_last_day(starts: Starts, count: Count, submitted: dt.date, length: int, last: dt.date) -> None:
    ends = Evaluation(starts, length, 0, count).ends(submitted)
    assert ends is not None
    assert (ends.last_day, ends.extended) == (last, last)


def test_listed_holidays_are_not_working_days() -> None:
    counted = Evaluation(Starts.SUBMITTED, 2, 1, Count.WORKING, frozenset([dt.date(2026, 3, 3), SATURDAY]))
    ends = counted.ends(MONDAY)
    assert ends is not None
    assert (ends.last_day, ends.extended) == (dt.date(2026, 3, 4), dt.date(2026, 3, 5))


@pytest.mark.parametrize(
    "counted", [Evaluation(), Evaluation(starts=Starts.SUBMITTED), Evaluation(count=Count.WORKING)]
)
def test_without_a_choice_nothing_is_computed(counted: Evaluation) -> None:
    assert counted.ends(MONDAY) is None


def test_without_a_day_of_submission_nothing_is_computed() -> None:
    assert Evaluation(Starts.SUBMITTED, count=Count.CALENDAR).ends(None) is None


@given(st.dates(dt.date(2020, 1, 1), dt.date(2040, 1, 1)), st.integers(1, 90), st.integers(0, 90))
def test_working_days_last_no_shorter_and_an_extension_no_shorter_than_none(
    day: dt.date, length: int, more: int
) -> None:
    calendar = Evaluation(Starts.SUBMITTED, length, more, Count.CALENDAR).ends(day)
    working = Evaluation(Starts.SUBMITTED, length, more, Count.WORKING).ends(day)
    assert calendar is not None
    assert working is not None
    assert calendar.last_day <= working.last_day
    assert working.last_day <= working.extended
    assert working.last_day.weekday() < 5
    assert not working.over(working.extended)
    assert working.over(working.extended + dt.timedelta(days=1))
