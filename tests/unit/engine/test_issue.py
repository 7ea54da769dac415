"""Which issue of the policies may follow which."""

from __future__ import annotations

import datetime as dt

import pytest
from haechi.domain.errors import HaechiError
from haechi.domain.issue import MAX_SEQUENCE, Accepted, Issue, issue_facts, succeed
from hypothesis import given
from hypothesis import strategies as st

NOON = dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)


def issue(sequence: int, back: int | None = None) -> Issue:
    return Issue(sequence, NOON, back)


@pytest.mark.parametrize(
    ("accepted", "offered", "contents", "becomes"),
    [
        (None, None, "x", None),
        (None, issue(7), "x", Accepted(7, 7, "x")),
        (None, issue(7, 9), "x", Accepted(7, 9, "x")),
        (Accepted(7, 7, "x"), issue(7), "x", Accepted(7, 7, "x")),
        (Accepted(7, 7, "x"), issue(8), "y", Accepted(8, 8, "y")),
        (Accepted(7, 7, "x"), issue(8, 9), "y", Accepted(8, 9, "y")),
        (Accepted(8, 8, "x"), issue(7, 8), "y", Accepted(7, 8, "y")),
        (Accepted(7, 8, "x"), issue(9), "y", Accepted(9, 9, "y")),
    ],
)
def test_what_may_follow(
    accepted: Accepted | None, offered: Issue | None, contents: str, becomes: Accepted | None
) -> None:
    assert succeed(accepted, offered, contents) == becomes


@pytest.mark.parametrize(
    ("accepted", "offered", "cause"),
    [
        (Accepted(7, 7, "x"), None, "missing"),
        (Accepted(7, 7, "x"), issue(7), "reused"),
        (Accepted(7, 7, "x"), issue(6), "lower"),
        (Accepted(7, 7, "x"), issue(6, 8), "lower"),  # a roll-back of something else
        (Accepted(7, 8, "x"), issue(8), "withdrawn"),
    ],
)
def test_what_may_not_follow(accepted: Accepted, offered: Issue | None, cause: str) -> None:
    with pytest.raises(HaechiError) as refused:
        succeed(accepted, offered, "other")
    assert refused.value.code == f"policy.sequence-{cause}"


@given(
    st.lists(st.tuples(st.integers(1, 12), st.one_of(st.none(), st.integers(2, 14)), st.integers(0, 2)), max_size=20)
)
def test_no_order_of_bundles_brings_back_what_a_roll_back_withdrew(offers: list[tuple[int, int | None, int]]) -> None:
    accepted: Accepted | None = None
    withdrawn: set[tuple[int, int | None]] = set()
    current: tuple[int, int | None] = (0, None)
    for sequence, back, contents in offers:
        if back is not None and back <= sequence:
            continue
        before = accepted
        try:
            accepted = succeed(accepted, issue(sequence, back), str(contents))
        except HaechiError:
            continue
        assert accepted is not None
        if before is not None and accepted.sequence < before.sequence:
            assert back == before.sequence
            withdrawn.add(current)  # it may be signed anew under its number, as a roll-back from exactly another one
        if before != accepted:
            current = (sequence, back)
            assert current not in withdrawn
        assert accepted.highest >= (before.highest if before else 0)


@pytest.mark.parametrize("wrong", [(0, None), (MAX_SEQUENCE + 1, None), (7, 7), (7, 3)])
def test_an_issue_that_makes_no_sense_is_none(wrong: tuple[int, int | None]) -> None:
    with pytest.raises(ValueError, match="sequence"):
        issue(*wrong)


def test_facts_never_say_a_negative_age() -> None:
    assert issue_facts(issue(7), NOON - dt.timedelta(hours=1), 3.0) == {
        "sequence": 7,
        "age_seconds": 0.0,
        "unconfirmed_seconds": 3.0,
    }
    assert issue_facts(None, NOON, None) == {"sequence": None, "age_seconds": None, "unconfirmed_seconds": None}
