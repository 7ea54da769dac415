"""Every line of an audit is a decision, is passed over for a reason, or is named as damaged: each exactly once."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from haechi.app.rejudging import Change, compared, difference
from haechi.domain.audit import GENESIS, MAX_LINE, Link, instant, line_of, written_at
from haechi.domain.decision import Basis, Decision, Effect, Finding, Modes, Severity
from haechi.outbound.audit.decisions import RECORDS, FolderDecisions
from haechi.ports.recorded import Damage, Recorded, Span

NOON = dt.datetime(2026, 3, 2, 3, tzinfo=dt.UTC)


def lines(count: int, kind: str = "decision") -> list[bytes]:
    made, link = [], Link(0, GENESIS)
    for number in range(count):
        time = instant(NOON + dt.timedelta(seconds=number))
        line, link = line_of(link, kind, time, b'{"id":"d%d"}' % number)
        made.append(line)
    return made


def read(folder: Path, span: Span | None = None) -> list[Recorded]:
    batches = list(FolderDecisions(folder).batches(span or Span()))
    assert all(len(batch.decisions) <= RECORDS for batch in batches)
    assert [batch.done for batch in batches] == sorted(batch.done for batch in batches)
    assert batches[-1].done == batches[-1].total
    return [one for batch in batches for one in batch.decisions]


def test_all_decisions_come_in_order_over_batches_and_segments(tmp_path: Path) -> None:
    every = lines(2 * RECORDS + 10)
    (tmp_path / "000000000001.jsonl").write_bytes(b"".join(every[:700]))
    (tmp_path / "000000000701.jsonl").write_bytes(b"".join(every[700:]))
    found = read(tmp_path)
    assert [one.event["id"] for one in found] == [f"d{number}" for number in range(len(every))]
    assert found[700].where == "000000000701.jsonl:1"


def test_a_span_takes_its_first_instant_and_not_its_last(tmp_path: Path) -> None:
    (tmp_path / "000000000001.jsonl").write_bytes(b"".join(lines(10)))
    span = Span(instant(NOON + dt.timedelta(seconds=3)), instant(NOON + dt.timedelta(seconds=5)))
    assert [one.event["id"] for one in read(tmp_path, span)] == ["d3", "d4"]


def test_other_kinds_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "000000000001.jsonl").write_bytes(b"".join(lines(5, "tag")))
    assert read(tmp_path) == []


def test_a_line_without_end_is_one_damaged_line(tmp_path: Path) -> None:
    good = lines(2)
    (tmp_path / "000000000001.jsonl").write_bytes(good[0] + b"x" * (2 * MAX_LINE + 7) + b"\n" + good[1])
    found = read(tmp_path)
    assert [(one.damage, one.event.get("id")) for one in found] == [
        (None, "d0"), (Damage.UNREADABLE, None), (None, "d1"),
    ]  # fmt: skip


@pytest.mark.parametrize("line", [b"", b"\n", b"{}\n", b'{"time":"2026"}\n', b"\xff" * 200])
def test_the_time_of_what_is_no_record_is_not_guessed(line: bytes) -> None:
    assert written_at(line) is None


def test_the_time_stands_where_the_log_writes_it() -> None:
    (line,) = lines(1)
    assert written_at(line) == written_at(line.removesuffix(b"\n")) == instant(NOON)


def finding(rule: str, severity: Severity = Severity.BLOCK, **params: str) -> Finding:
    return Finding(rule, "R10", Basis.GUIDANCE, severity, params)


ALLOW, REPORTED, BLOCK = Effect.ALLOW, Effect.WOULD_BLOCK, Effect.BLOCK


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        (ALLOW, BLOCK, Change.NEWLY_BLOCKED),
        (REPORTED, BLOCK, Change.NEWLY_BLOCKED),
        (BLOCK, ALLOW, Change.NEWLY_ALLOWED),
        (BLOCK, REPORTED, Change.NEWLY_ALLOWED),
        (ALLOW, REPORTED, Change.NEWLY_REPORTED),
        (REPORTED, ALLOW, Change.NO_LONGER_REPORTED),
        (BLOCK, BLOCK, Change.UNCHANGED),
    ],
)
def test_each_pair_of_effects_has_its_change(before: Effect, after: Effect, change: Change) -> None:
    assert compared(before, [], Decision(after))[0] is change


def test_another_parameter_is_another_finding_and_another_requirement_is_not() -> None:
    earlier = [finding("r", country="JP").as_json()]
    assert compared(BLOCK, earlier, Decision(BLOCK, (finding("r", country="US"),)))[0] is Change.FINDINGS
    renamed = Finding("r", "R11", Basis.INFERENCE, Severity.BLOCK, {"country": "JP"})
    assert compared(BLOCK, earlier, Decision(BLOCK, (renamed,)))[0] is Change.UNCHANGED


def test_the_rules_that_make_the_difference_are_those_that_did_not_refuse_before() -> None:
    after = Decision(BLOCK, (finding("old"), finding("new"), finding("mild", Severity.LOG)))
    earlier = [finding("old").as_json()]
    assert difference(Change.NEWLY_BLOCKED, REPORTED, earlier, (), after, Modes()) == ("new",)
    assert difference(Change.NEWLY_BLOCKED, ALLOW, [], (), after, Modes()) == ("new", "old")
