"""Recorded decisions judged again: real policies, a real worker, a real audit."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import os
from pathlib import Path
from typing import Any

import pytest
from haechi.app.replaying import LOST_IN_A_ROW, ReplayDecisions
from haechi.cli import run
from haechi.domain.decision import Cause, Effect, Mode, Modes, Severity, decide
from haechi.domain.errors import HaechiError
from haechi.domain.issue import Issue
from haechi.domain.permit import Permit, PermitKind
from haechi.outbound.audit.decisions import FolderDecisions
from haechi.outbound.engine.bundle import build
from haechi.outbound.engine.candidate import candidate as policies_at
from haechi.outbound.engine.candidate import trial
from haechi.outbound.engine.folder import locate, read
from haechi.ports.engine import Answered
from haechi.ports.recorded import Span

from tests.lab.recorded import SetClock, judged, write
from tests.policy.base import PLACE
from tests.unit.replay.conftest import DAY


@pytest.fixture(autouse=True)
def settled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "haechi.toml"
    file.write_text(f"[paths]\nstate='{tmp_path}/s'\nconfig='{tmp_path}/c'\nruntime='{tmp_path}/r'\n")
    monkeypatch.setenv("HAECHI_CONFIG", str(file))
    monkeypatch.setenv("HAECHI_LANG", "en")


def replayed(capsys: pytest.CaptureFixture[str], folder: Path, policy: Path, *more: str) -> tuple[int, dict[str, Any]]:
    status = run(["replay", "--policy", str(policy), "--folder", str(folder), "--json", *more])
    return status, json.loads(capsys.readouterr().out)


def test_the_same_policies_change_nothing(audit, capsys):
    status, found = replayed(capsys, audit, locate())
    assert status == 0
    assert (found["records"], found["judged"], found["changed"]) == (12, 9, 0)
    assert found["changes"]["unchanged"] == 9
    assert [(one["reason"], one["count"]) for one in found["skipped"]] == [("summary", 3)]
    assert found["complete"] is True and found["rules"]["rows"] == []


def test_a_rule_made_milder_allows_what_it_alone_blocked(audit, candidate, capsys):
    status, found = replayed(capsys, audit, candidate(severities={"r13_layer1": "log"}), "--details")
    assert status == 1
    assert found["changes"]["newly_allowed"] == 3 and found["changed"] == 3
    assert [row["name"] for row in found["rules"]["rows"]] == ["r13_layer1"]
    (user,), (place,) = found["users"]["rows"], found["destinations"]["rows"]
    assert (user["name"], place["name"], user["counts"]) == ("lee", "aws:ours-seoul", {"newly_allowed": 3})
    assert [one["id"] for one in found["details"]] == user["examples"] == [
        "hd-000000000001", "hd-000000000005", "hd-000000000009",
    ]  # fmt: skip
    assert {(one["before"], one["after"]) for one in found["details"]} == {("block", "allow")}


def test_a_longer_list_of_countries_changes_the_uploads_abroad(audit, candidate, capsys):
    status, found = replayed(capsys, audit, candidate(home_countries=["KR", "JP"]))
    assert status == 1
    assert [row["name"] for row in found["destinations"]["rows"]] == ["aws:ours-tokyo"]
    assert "r10_region" in {row["name"] for row in found["rules"]["rows"]}


def test_in_monitor_mode_the_same_findings_let_pass_and_the_mode_is_named(audit, candidate, capsys):
    status, found = replayed(capsys, audit, candidate(modes={"default": "monitor", "rules": {}, "fail": "closed"}))
    assert status == 1
    assert found["changes"]["newly_allowed"] == found["by_mode"] == 6
    run(["replay", "--policy", str(candidate()), "--folder", str(audit)])
    said = " ".join(capsys.readouterr().out.split())
    assert "6 of them change by the mode alone" in said and "default mode is monitor" in said


def test_what_was_only_reported_would_be_blocked(tmp_path, events, capsys):
    write(tmp_path / "monitored", events(1, Modes(Mode.MONITOR)), SetClock(DAY))
    status, found = replayed(capsys, tmp_path / "monitored", locate())
    assert status == 1
    assert found["changes"]["newly_blocked"] == found["by_mode"] == 2
    assert {"r10_region", "r13_layer1"} <= {row["name"] for row in found["rules"]["rows"]}


def test_a_span_is_whole_korean_days_or_instants(audit, capsys):
    # The records begin at 10:00 in Korea on 2 March.
    for start, end, records in (
        ("2026-03-02", "2026-03-02", 12),
        ("2026-03-03", "2026-03-03", 0),
        ("2026-03-02T10:04:00+09:00", "2026-03-02T10:08:00+09:00", 4),
    ):
        status, found = replayed(capsys, audit, locate(), "--from", start, "--to", end)
        assert found["records"] == records
        assert status == (0 if records else 3), "nothing judged is no proof that nothing changes"
    assert run(["replay", "--policy", str(locate()), "--from", "2026-03-02", "--to", "2026-03-01"]) == 2


def test_everything_that_cannot_be_judged_is_counted_and_named(tmp_path, events, capsys):
    every = events(1)
    older = {**every[1], "id": "hd-older", "input": {**every[1]["input"], "schema": "haechi.input/0"}}
    failed = dict(judged(90, {}, causes=[Cause("engine-crashed")], at=DAY).event())
    brief = dict(judged(91, every[1]["input"], at=DAY).event(Cause("audit-too-large")))
    strange = {**every[1], "id": "hd-strange", "decision": {"effect": "perhaps", "findings": [], "causes": []}}
    folder = tmp_path / "mixed"
    write(folder, [*every, older, failed, brief, strange], SetClock(DAY))
    segment = min(folder.glob("0*.jsonl"))
    text = segment.read_bytes().replace(b'"id":"hd-000000000002"', b'"id":"hd-00000000000X"')
    segment.write_bytes(text + b"not a record\n" + b'{"event":{"unfin')
    status, found = replayed(capsys, folder, locate())
    reasons = {(one["reason"], one["detail"]): one["count"] for one in found["skipped"]}
    assert reasons == {
        ("summary", ""): 1,
        ("other-input", "haechi.input/0"): 1,
        ("no-facts", "engine-crashed"): 1,
        ("brief", ""): 1,
        ("other-record", "haechi.record/1"): 1,
        ("altered", ""): 1,
        ("unreadable", ""): 1,
        ("unfinished", ""): 1,
    }
    assert found["records"] == found["judged"] + sum(reasons.values())
    assert found["changed"] == 0 and found["complete"] is False
    assert status == 3, "that nothing changes is known of a part alone"


def test_failures_of_then_are_not_taken_for_the_policies_answer(tmp_path, decided, capsys):
    """A decision that rested on a dead engine is judged anew; what no body can change, a failing audit, stays."""
    _, _, facts, _ = decided[0]
    engine = judged(1, facts, causes=[Cause("engine-late")], at=DAY).event()
    full = judged(2, facts, causes=[Cause("audit-disk-full")], at=DAY).event()
    assert engine["decision"]["effect"] == full["decision"]["effect"] == "block"
    write(tmp_path / "failing", [engine, full], SetClock(DAY))
    _, found = replayed(capsys, tmp_path / "failing", locate(), "--details")
    assert [(one["id"], one["change"], one["rules"]) for one in found["details"]] == [
        ("hd-000000000001", "newly_allowed", ["engine-late"])
    ]
    assert found["changes"]["unchanged"] == 1


@pytest.fixture
def permitted(decided, tmp_path):
    """Plain content that a permit of this kind let go to our own bucket; only ``r13_layer1`` (guidance) forbids it."""

    def make(kind: PermitKind, severity: Severity = Severity.BLOCK) -> Path:
        user, container, facts, answer = decided[1]
        findings = [
            dataclasses.replace(one, severity=severity) if one.rule == "r13_layer1" else one for one in answer.findings
        ]
        permit = Permit("P-1", kind, user, DAY + dt.timedelta(hours=1), frozenset({"r13_layer1"}), place=PLACE)
        one = judged(0, facts, findings, user=user, container=container, at=DAY)
        decision = decide(findings, Modes(), lifts=permit.lifts)
        assert decision.effect is Effect.ALLOW and decision.lifted == ("r13_layer1",)
        folder = tmp_path / kind.value
        made = dataclasses.replace(one, made=dataclasses.replace(one.made, decision=decision, permit=permit))
        write(folder, [made.event()], SetClock(DAY))
        return folder

    return make


@pytest.mark.parametrize("kind", [PermitKind.EXCEPTION, PermitKind.BREAK_GLASS])
def test_what_a_permit_let_go_stays_let_go(permitted, kind, capsys):
    folder = permitted(kind)
    status, found = replayed(capsys, folder, locate())
    assert (status, found["judged"], found["changed"], found["permitted"]) == (0, 1, 0, 1)
    run(["replay", "--policy", str(locate()), "--folder", str(folder)])
    assert "1 of them went through by an exception" in capsys.readouterr().out


def test_a_justification_opens_no_way_past_a_rule_that_now_blocks(permitted, candidate, capsys):
    folder = permitted(PermitKind.JUSTIFICATION, Severity.JUSTIFY)
    status, found = replayed(capsys, folder, candidate(severities={"r13_layer1": "justify"}))
    assert (status, found["changed"]) == (0, 0)
    status, found = replayed(capsys, folder, candidate(severities={}))
    assert (status, found["changes"]["newly_blocked"]) == (1, 1)


@pytest.mark.parametrize(("kind", "blocked"), [(PermitKind.EXCEPTION, 1), (PermitKind.BREAK_GLASS, 0)])
def test_an_exception_reaches_the_rules_that_it_names_and_no_other(permitted, candidate, kind, blocked, capsys):
    """The candidate wants fresh statements of the provider: rules that found nothing then, and are no statute's."""
    fresh = candidate(attestation_max_age_days={"default": 1, "subjects": {}})
    _, found = replayed(capsys, permitted(kind), fresh, "--details")
    assert found["changes"]["newly_blocked"] == blocked, found["details"]


def test_a_permit_of_another_form_makes_the_answer_incomplete(events, tmp_path, capsys):
    one = {**events(1)[1], "permit": {"kind": "indulgence"}}
    write(tmp_path / "strange", [one], SetClock(DAY))
    status, found = replayed(capsys, tmp_path / "strange", locate())
    assert (status, found["complete"]) == (3, False)
    assert [(row["reason"], row["detail"]) for row in found["skipped"]] == [("other-record", "permit")]


def test_clean_uploads_are_said_to_be_beyond_it(audit, capsys):
    _, found = replayed(capsys, audit, locate())
    assert found["summaries"] == 3
    run(["replay", "--policy", str(locate()), "--folder", str(audit)])
    assert "3 of 12 cannot be judged again" in capsys.readouterr().out


def test_a_window_without_records_is_no_all_clear(audit, capsys):
    assert run(["replay", "--policy", str(locate()), "--folder", str(audit), "--from", "2026-03-03"]) == 3
    said = capsys.readouterr().out
    assert "No decision is on record in this window (2026-03-03 00:00" in said and "unchanged" not in said


def test_the_window_is_told_in_korean_time(audit, capsys):
    run(["replay", "--policy", str(locate()), "--folder", str(audit), "--from", "2026-03-02T01:04:00Z"])
    said = capsys.readouterr().out
    assert "2026-03-02 10:04 – the last record (records from 2026-03-02 10:04 to 2026-03-02 10:11)" in said


def test_a_candidate_that_is_not_there_is_named(audit, capsys):
    status, told = replayed(capsys, audit, audit / "nowhere")
    assert (status, told["error"]["code"]) == (3, "replay.no-candidate")


def test_a_bundle_is_a_candidate_too(audit, tmp_path, capsys):
    bundle = tmp_path / "9.tar.gz"
    bundle.write_bytes(build(read(locate()), Issue(9, DAY)))
    status, found = replayed(capsys, audit, bundle)
    assert (status, found["judged"], found["changed"]) == (0, 9, 0)


def test_a_candidate_with_a_fault_is_no_change(audit, candidate, capsys):
    folder = candidate()
    (folder / "decision" / "decision.rego").write_text("package haechi.decision\n\ndecision := 1 if {\n")
    status, told = replayed(capsys, audit, folder)
    assert status == 3
    assert told["error"]["code"] == "replay.failed" and told["error"]["params"]["cause"] == "policy.invalid"
    assert replayed(capsys, audit.parent / "none", locate())[0] == 3


def test_names_beyond_the_bound_are_counted_together(decided, tmp_path, monkeypatch, capsys):
    from haechi.app import tallying

    monkeypatch.setattr(tallying.Tally.__init__, "__defaults__", (2, *tallying.Tally.__init__.__defaults__[1:]))
    _, _, facts, said = decided[1]
    made = [judged(n, facts, said.findings, Modes(Mode.MONITOR), user=f"user-{n}", at=DAY).event() for n in range(5)]
    write(tmp_path / "many", made, SetClock(DAY))
    _, found = replayed(capsys, tmp_path / "many", locate())
    assert [row["name"] for row in found["users"]["rows"]] == ["user-0", "user-1"]
    assert found["users"]["others"] == {"newly_blocked": 3}


class Failing:
    """A candidate that is silent ``times`` times about each input, then answers as the real one."""

    def __init__(self, engine: Any, times: int) -> None:
        self._engine, self._times, self.asked = engine, times, {}

    @property
    def in_force(self) -> Any:
        return self._engine.in_force

    async def evaluate(self, facts: Any) -> Answered | Cause:
        self.asked[id(facts)] = self.asked.get(id(facts), 0) + 1
        if self.asked[id(facts)] <= self._times:
            return Cause("engine-late", {})
        answer: Answered | Cause = await self._engine.evaluate(facts)
        return answer


async def at_once(seconds: float) -> None:
    """No pause."""


async def test_late_answers_are_asked_for_again_and_none_is_lost(audit):
    async with trial(policies_at(locate()), None) as engine:
        found = await ReplayDecisions(FolderDecisions(audit), Failing(engine, 2), pause=at_once)(Span())
    assert (found.judged, found.again, found.changed, found.incomplete) == (9, 9, 0, 0)


async def test_a_candidate_that_never_answers_is_given_up(audit):
    async with trial(policies_at(locate()), None) as engine:
        with pytest.raises(HaechiError, match=r"replay\.engine-lost") as lost:
            await ReplayDecisions(FolderDecisions(audit), Failing(engine, 99), pause=at_once)(Span())
    assert lost.value.params == {"cause": "engine-late", "count": LOST_IN_A_ROW}


async def test_a_worker_that_is_killed_in_between_loses_no_answer(audit):
    async with trial(policies_at(locate()), None) as engine:
        real, killed = engine.evaluate, []

        async def evaluate(facts: Any) -> Answered | Cause:
            if not killed:
                killed.append(engine._worker.process.pid)
                os.kill(killed[0], 9)
            return await real(facts)

        engine.evaluate = evaluate  # type: ignore[method-assign]
        found = await ReplayDecisions(FolderDecisions(audit), engine)(Span())
    assert killed and found.again and (found.judged, found.changed, found.incomplete) == (9, 0, 0)


async def test_an_input_without_an_answer_is_one_that_would_be_refused(audit):
    class Undefined(Failing):
        async def evaluate(self, facts: Any) -> Answered | Cause:
            return Cause("engine-undefined", {})

    async with trial(policies_at(locate()), None) as engine:
        found = await ReplayDecisions(FolderDecisions(audit), Undefined(engine, 0))(Span())
    assert found.changes["newly_blocked"] == 3 and "engine-undefined" in found.rules.rows
