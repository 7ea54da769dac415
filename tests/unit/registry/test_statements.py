"""Statements are told as they are at every instant, though they are worked out only when something changes."""

from __future__ import annotations

import datetime as dt

from haechi.domain.registry.entries import Attestation
from haechi.domain.registry.periods import KST, Period
from haechi.domain.registry.statements import Statements
from hypothesis import given
from hypothesis import strategies as st

DAY = dt.date(2026, 3, 2)
INSTANTS = st.datetimes(dt.datetime(2026, 3, 1), dt.datetime(2026, 3, 5), timezones=st.just(KST))
STATEMENTS = st.lists(
    st.builds(
        Attestation,
        st.text("ab", min_size=1, max_size=3),
        st.sampled_from(("security-rules", "provider-access-off")),
        st.sampled_from(("", "aws", "gcp")),
        st.one_of(st.none(), st.dates(DAY - dt.timedelta(2), DAY + dt.timedelta(3))),
        st.just(""),
        st.builds(Period, st.one_of(st.none(), INSTANTS), st.one_of(st.none(), INSTANTS)),
    ),
    max_size=4,
)


@given(STATEMENTS, st.lists(st.tuples(INSTANTS, st.sampled_from((None, "", "aws", "gcp", "azure"))), max_size=8))
def test_what_is_remembered_is_what_would_be_worked_out(
    attestations: list[Attestation], asked: list[tuple[dt.datetime, str | None]]
) -> None:
    kept = Statements(attestations)
    for now, provider in asked:  # in any order: a clock may be set back
        assert kept.facts(provider, now) == Statements(attestations).facts(provider, now)


def test_a_statement_ends_and_grows_older_at_its_instants() -> None:
    end = dt.datetime(2026, 3, 3, 12, tzinfo=KST)
    kept = Statements([Attestation("A", "security-rules", "", DAY, "", Period(None, end))])
    before, after = end - dt.timedelta(microseconds=1), end
    assert [(one["in_force"], one["age_days"]) for one in kept.facts("aws", before)] == [(True, 1)]
    assert [one["in_force"] for one in kept.facts("aws", after)] == [False]
    midnight = dt.datetime(2026, 3, 4, tzinfo=KST)
    assert [one["age_days"] for one in kept.facts("aws", midnight)] == [2]


def test_what_is_said_of_another_provider_is_not_told() -> None:
    kept = Statements(
        [Attestation("A", "provider-access-off", "gcp", DAY), Attestation("B", "security-rules", "", DAY)]
    )
    now = dt.datetime(2026, 3, 3, tzinfo=KST)
    assert [one["subject"] for one in kept.facts("aws", now)] == ["security-rules"]
    assert len(kept.facts("gcp", now)) == 2
