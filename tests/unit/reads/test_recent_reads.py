"""Who read what, by process and user, and what a gap makes of it."""

from __future__ import annotations

import datetime as dt

import pytest
from haechi.domain.facts import Known, Unknown
from haechi.domain.reads import SHORT, Gap, Line, Read, ReadFacts
from haechi.domain.recent_reads import RecentReads
from hypothesis import given
from hypothesis import strategies as st

NOW = dt.datetime(2026, 3, 2, 1, 30, tzinfo=dt.UTC)
WINDOW = dt.timedelta(minutes=30)
KIM, LEE, ROOT = 1001, 1002, 0
SHELL, GPG, CURL, OTHER = (10, 1), (20, 2), (30, 3), (40, 4)


def ago(minutes: float) -> dt.datetime:
    return NOW - dt.timedelta(minutes=minutes)


def read(minutes: float, users: set[int], *processes: tuple[int, int], only: int | None = None) -> Read:
    return Read(ago(minutes), "/home/kim/recipe.csv", frozenset(users), processes, only=only)


def line(user: int, *processes: tuple[int, int]) -> Line:
    return Line(frozenset([user]), processes)


def asked(reads: list[Read], uid: Known[int], of: Line | Unknown, *gaps: Gap) -> ReadFacts:
    recent = RecentReads()
    for one in reads:
        recent.add(one)
    for gap in gaps:
        recent.missed(gap)
    return recent.of(uid, of, NOW, WINDOW)


def test_nobody_read_anything() -> None:
    facts = asked([], KIM, line(KIM, CURL))
    assert (facts.process, facts.user, facts.latest) == (False, False, None)


def test_another_process_of_the_same_user() -> None:
    facts = asked([read(5, {KIM}, GPG, SHELL)], KIM, line(KIM, CURL, SHELL))
    assert (facts.process, facts.user) == (False, True)
    assert facts.latest is not None
    assert facts.latest.at == ago(5)


def test_a_process_that_the_uploader_descends_from() -> None:
    assert asked([read(5, {ROOT}, SHELL)], KIM, line(KIM, CURL, SHELL)).process is True


def test_a_process_that_the_uploader_began() -> None:
    assert asked([read(5, {ROOT}, GPG, CURL, SHELL)], KIM, line(KIM, CURL, SHELL)).process is True


def test_another_user_is_not_meant() -> None:
    facts = asked([read(5, {LEE}, GPG, OTHER)], KIM, line(KIM, CURL, SHELL))
    assert (facts.process, facts.user) == (False, False)


def test_whoever_logged_in_stays_the_user_under_another_name() -> None:
    assert asked([read(5, {ROOT, KIM}, GPG)], KIM, line(KIM, CURL)).user is True
    assert asked([read(5, {KIM}, GPG)], ROOT, Line(frozenset({ROOT, KIM}), (CURL,))).user is True


def test_a_read_counts_for_the_window() -> None:
    assert asked([read(30, {KIM}, GPG)], KIM, line(KIM, CURL)).user is True
    assert asked([read(30.1, {KIM}, GPG)], KIM, line(KIM, CURL)).user is False


def test_a_reader_that_was_gone_may_be_anybody_whom_the_file_lets_read() -> None:
    gone = [read(5, set())]
    assert asked(gone, KIM, line(KIM, CURL)).user == Unknown("reader-gone")
    private = [read(5, set(), only=LEE)]
    assert asked(private, KIM, line(KIM, CURL)).user is False
    assert asked(private, LEE, line(LEE, CURL)).user == Unknown("reader-gone")
    assert asked(private, ROOT, line(ROOT, CURL)).user == Unknown("reader-gone")


def test_reads_by_the_one_user_are_that_users() -> None:
    facts = asked([read(5, {KIM}, only=KIM)], KIM, line(KIM, CURL))
    assert facts.user is True


def test_who_uploads_is_unknown() -> None:
    facts = asked([read(5, {LEE}, GPG)], Unknown("no-socket"), Unknown("no-socket"))
    assert (facts.process, facts.user) == (Unknown("no-socket"), Unknown("no-socket"))
    assert asked([], Unknown("no-socket"), Unknown("no-socket")).known


def test_a_gap_is_unknown_until_the_window_is_over() -> None:
    gap = Gap(ago(20), ago(10), "reads-interrupted")
    facts = asked([], KIM, line(KIM, CURL), gap)
    assert (facts.process, facts.user, facts.unseen) == (
        Unknown("reads-interrupted"),
        Unknown("reads-interrupted"),
        gap,
    )
    assert asked([], KIM, line(KIM, CURL), Gap(ago(50), ago(31), "reads-interrupted")).known


def test_a_short_gap_concerns_those_who_were_there() -> None:
    gap = Gap(ago(10.1), ago(10), "reads-interrupted", frozenset({KIM}))
    assert not asked([], KIM, line(KIM, CURL), gap).known
    assert asked([], LEE, line(LEE, CURL), gap).known
    assert not asked([], Unknown("no-socket"), line(LEE, CURL), gap).known
    long = Gap(ago(10) - SHORT - dt.timedelta(seconds=1), ago(10), "reads-interrupted", frozenset({KIM}))
    assert not asked([], LEE, line(LEE, CURL), long).known


def test_a_read_that_was_seen_stays_one_beside_a_gap() -> None:
    facts = asked([read(5, {KIM}, GPG)], KIM, line(KIM, CURL), Gap(ago(20), ago(10), "reads-overflowed"))
    assert facts.user is True
    assert facts.process == Unknown("reads-overflowed")


def flood(recent: RecentReads, user: int, count: int, first: int = 100) -> None:
    for number in range(count):
        recent.add(read(5, {user}, (first + number, 1), SHELL))


def test_processes_are_forgotten_and_users_are_not() -> None:
    recent = RecentReads(each=2)
    flood(recent, KIM, 3)
    facts = recent.of(KIM, line(KIM, CURL), NOW, WINDOW)
    assert (facts.process, facts.user) == (Unknown("too-many-reads"), True)
    assert len(recent) == 2


def test_who_begins_processes_without_end_makes_nobody_else_unknown() -> None:
    recent = RecentReads(each=10, most=30)
    recent.add(read(20, {LEE}, GPG))
    recent.add(read(20, {ROOT}, OTHER))
    flood(recent, KIM, 100)
    assert recent.of(LEE, line(LEE, GPG), NOW, WINDOW).process is True
    assert recent.of(LEE, line(LEE, CURL, OTHER), NOW, WINDOW).process is True, "whatever descends from root's"
    assert recent.of(1003, line(1003, CURL), NOW, WINDOW).known
    assert recent.of(KIM, line(KIM, CURL), NOW, WINDOW).process == Unknown("too-many-reads")
    assert recent.of(ROOT, line(ROOT, CURL), NOW, WINDOW).process == Unknown("too-many-reads"), "who begins all users'"


def test_where_all_together_have_too_many_whoever_has_most_gives_way() -> None:
    recent = RecentReads(each=100, most=120)
    flood(recent, LEE, 5)
    flood(recent, KIM, 100, 1000)
    for user in range(2000, 2040):
        flood(recent, user, 1, user)
    assert len(recent) <= 120
    assert set(recent.dropped) == {KIM}
    assert recent.of(LEE, line(LEE, (100, 1)), NOW, WINDOW).process is True


def test_with_sudo_nobody_uses_up_what_is_roots() -> None:
    recent = RecentReads(each=2)
    for number in range(9):
        recent.add(read(5, {KIM, ROOT}, (100 + number, 1)))
    assert set(recent.dropped) == {KIM}


def test_roots_processes_that_were_forgotten_may_be_anybodys_ancestors() -> None:
    recent = RecentReads(each=2)
    flood(recent, ROOT, 3)
    assert recent.of(KIM, line(KIM, CURL), NOW, WINDOW).process == Unknown("too-many-reads")


def test_processes_that_ended_take_no_room_and_leave_nothing_unknown() -> None:
    recent = RecentReads(each=4)
    for number in range(0, 40, 4):
        flood(recent, KIM, 4, 100 + number)
        recent.ended([(100 + number + one, 1) for one in range(4)])
    assert len(recent) == 0
    assert recent.dropped == {}
    assert recent.of(KIM, line(KIM, CURL), NOW, WINDOW).user is True
    assert recent.of(KIM, line(KIM, SHELL), NOW, WINDOW).process is True, "what began them is still there"


def test_what_is_too_old_is_forgotten() -> None:
    recent = RecentReads()
    recent.add(read(100, {KIM}, GPG))
    recent.add(read(100, set()))
    recent.drop(KIM, ago(100))
    recent.forget(ago(60))
    assert (recent.by_user(), recent.dropped, len(recent)) == ({}, {}, 1)


USERS = st.sampled_from([KIM, LEE, ROOT])
PROCESSES = st.lists(st.sampled_from([SHELL, GPG, CURL, OTHER]), max_size=3, unique=True).map(tuple)
READS = st.lists(
    st.builds(
        Read,
        st.floats(0, 60).map(ago),
        st.just("/f"),
        st.frozensets(USERS, max_size=2),
        PROCESSES,
        only=st.sampled_from([None, KIM]),
    ),
    max_size=6,
)


@pytest.mark.parametrize("uid", [KIM, LEE])
@given(reads=READS, more=READS, begin=st.floats(0, 60), length=st.floats(0, 5))
def test_more_reads_and_gaps_never_make_it_less(
    uid: int, reads: list[Read], more: list[Read], begin: float, length: float
) -> None:
    of = line(uid, CURL, SHELL)
    ordered = sorted(reads, key=lambda one: one.at)
    fewer = asked(ordered, uid, of)
    all_ = asked(sorted([*reads, *more], key=lambda one: one.at), uid, of)
    gap = Gap(ago(begin + length), ago(begin), "reads-interrupted")
    with_gap = asked(ordered, uid, of, gap)
    for name in ("process", "user"):
        before = getattr(fewer, name)
        assert before is False or getattr(all_, name) is not False
        assert before is False or getattr(with_gap, name) == before
