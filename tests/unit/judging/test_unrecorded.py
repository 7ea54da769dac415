"""Verdicts while the audit, or a ledger, cannot be written."""

from __future__ import annotations

import dataclasses

import pytest
from haechi.app.assessing import Assessment, Assessor, Circumstances
from haechi.app.explaining import ExplainDecision
from haechi.domain.content import Content
from haechi.domain.decision import FailMode, Mode, Modes
from haechi.domain.errors import HaechiError
from haechi.outbound.audit.records import FolderRecords
from haechi.outbound.engine.worker_engine import WorkerEngine
from haechi.ports.judge import Forward, Refuse

from tests.disk import FullDisk, until
from tests.unit.judging.conftest import Case, noise

pytestmark = pytest.mark.asyncio


class Engine:
    """The real engine under other modes."""

    def __init__(self, inner: WorkerEngine, modes: Modes) -> None:
        self._inner, self.modes = inner, modes
        self.in_force = dataclasses.replace(inner.in_force, modes=modes)

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)


def under(case: Case, modes: Modes) -> None:
    case.judge.assessor.engine = Engine(case.judge.assessor.engine, modes)


@pytest.fixture
def disk(case: Case, monkeypatch):
    """The disk under the audit: full from now on, until ``room`` is called."""
    audit = FullDisk(monkeypatch, case.folder / "audit")

    class Disk:
        async def fill(self) -> None:
            await case.log.durable({"kind": "before"})
            audit.full = True
            with pytest.raises(HaechiError):
                await case.log.durable({"kind": "none"})

        async def room(self) -> None:
            audit.full = False
            await until(lambda: case.log.health is None)

    return Disk()


async def explained(case: Case, number: str) -> dict:
    engine = case.judge.assessor.engine
    records = FolderRecords(case.folder / "audit", case.log.unwritten)
    explain = ExplainDecision(records, engine, engine.words, lambda rule: "")
    return await explain(number, None, "en")


async def test_monitor_forwards_and_the_record_follows(case: Case, disk) -> None:
    secret = case.tag("secret", noise(1, 20_000))
    under(case, Modes(Mode.MONITOR))
    await disk.fill()
    assert await case.allowed("PUT", "/abroad/a", secret)
    await disk.room()
    (record,) = case.records()
    assert record["decision"]["effect"] == "would_block" and record["destination"]["key"] == "a"
    assert record["delayed"]["code"] == "audit-disk-full"
    counts = case.judge.metrics.counts  # type: ignore[attr-defined]
    assert counts["haechi_records_delayed_total"] == counts["haechi_decisions_total"] == 1
    labels = case.judge.metrics.labels  # type: ignore[attr-defined]
    assert labels["haechi_records_delayed_total.cause"] == {"audit-disk-full"}, "as the record spells it"


async def test_monitor_reads_a_place_anew_after_a_change_whose_record_follows(case: Case, disk) -> None:
    case.tag("secret", noise(1, 20_000))
    under(case, Modes(Mode.MONITOR))
    await disk.fill()
    assert await case.allowed("PUT", "/ours-seoul?acl", b"", ("x-amz-acl", "public-read"))
    assert [place.container for place in case.destinations.forgotten] == ["ours-seoul"]


async def test_a_refusal_for_want_of_a_record_names_a_decision_that_explain_knows(case: Case, disk) -> None:
    case.tag("secret", noise(1, 20_000))
    await disk.fill()
    verdict = await case.ask("PUT", "/ours-seoul/a", noise(2, 20_000))
    assert isinstance(verdict, Refuse)
    number = dict(verdict.reply.headers)["x-amz-request-id"]
    said = verdict.reply.body.decode()
    assert "disk that holds the audit is full" in said and f"haechi explain {number}" in said
    known = await explained(case, number)
    assert known["effect"] == "block" and known["unwritten"]
    assert [cause["code"] for cause in known["causes"]] == ["audit-disk-full"]
    await disk.room()
    await case.log.durable({"kind": "after"})
    later = await explained(case, number)
    assert later["effect"] == "block" and not later["unwritten"]


async def test_an_open_fail_mode_does_not_answer_for_the_audit(case: Case, disk) -> None:
    under(case, Modes(Mode.ENFORCE, fail=FailMode.OPEN))
    case.tag("secret", noise(1, 20_000))
    await disk.fill()
    assert not await case.allowed("PUT", "/ours-seoul/a", noise(2, 20_000))
    await disk.room()
    (record,) = case.records()
    assert record["decision"]["effect"] == "block"


async def test_a_refusal_that_not_even_memory_holds_names_no_decision(case: Case, disk) -> None:
    case.tag("secret", noise(1, 20_000))
    await disk.fill()
    case.judge.conclude.recorder.audit.later = lambda event: False  # type: ignore[method-assign]
    verdict = await case.ask("PUT", "/ours-seoul/a", noise(2, 20_000))
    assert isinstance(verdict, Refuse)
    assert b"haechi explain" not in verdict.reply.body and b"no decision number" in verdict.reply.body


async def test_a_ledger_that_fails_is_recorded_as_the_cause(case: Case, monkeypatch) -> None:
    """Enforcing refuses for it, monitoring forwards; neither leaves without a record."""
    secret = case.tag("secret", noise(1, 20_000))

    def full(place: object, content: object) -> None:
        raise HaechiError("ledger.disk-full", file="objects.sqlite")

    monkeypatch.setattr(type(case.ledger), "stored", lambda self, place, content, how: full(place, content))
    under(case, Modes(Mode.MONITOR))
    assert isinstance(await case.ask("PUT", "/abroad/a", secret), Forward)
    (record,) = case.records()
    assert record["decision"]["effect"] == "would_block"
    assert [cause["code"] for cause in record["decision"]["causes"]] == ["ledger-disk-full"]
    assert "delayed" not in record


async def test_an_event_that_cannot_be_a_record_is_kept_without_what_is_strange(case: Case, monkeypatch) -> None:
    case.tag("secret", noise(1, 20_000))
    real = Assessor.assess

    async def odd(self: Assessor, about: Circumstances, content: Content) -> Assessment:
        return dataclasses.replace(await real(self, about, content), registry=object())  # type: ignore[arg-type]

    monkeypatch.setattr(Assessor, "assess", odd)
    assert not await case.allowed("PUT", "/ours-seoul/a", noise(2, 20_000))
    (record,) = case.records()
    assert record["decision"]["effect"] == "block" and "registry" not in record
