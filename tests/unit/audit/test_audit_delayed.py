"""Records of what has happened already while the disk takes none."""

from __future__ import annotations

import json

import pytest
from haechi.domain.errors import HaechiError
from haechi.outbound.audit import AuditSettings, SegmentedAuditLog, verify
from haechi.outbound.audit.records import FolderRecords
from haechi.outbound.audit.segments import segments

from tests.disk import FullDisk, until

QUICK = AuditSettings(retry_seconds=0.02)


@pytest.fixture
def disk(monkeypatch, folder) -> FullDisk:
    return FullDisk(monkeypatch, folder)


def records(folder) -> list[dict]:
    return [json.loads(line) for path in segments(folder) for line in path.read_text().splitlines()]


def told(folder, kind: str) -> list[dict]:
    return [record["event"] for record in records(folder) if record["kind"] == kind]


async def outage(log: SegmentedAuditLog, disk: FullDisk) -> None:
    await log.durable({"kind": "before"})
    disk.full = True
    with pytest.raises(HaechiError, match=r"audit\.disk-full"):
        await log.durable({"kind": "decision", "id": "refused"})


async def room(log: SegmentedAuditLog, disk: FullDisk) -> None:
    disk.full = False
    await until(lambda: log.health is None)


async def test_a_verdict_that_left_is_recorded_as_soon_as_there_is_room(folder, key, clock, disk):
    with SegmentedAuditLog(folder, key, clock, QUICK) as log:
        await outage(log, disk)
        assert log.later({"kind": "decision", "id": "a"}) and log.later({"kind": "decision", "id": "b"})
        await room(log, disk)
    assert [event["id"] for event in told(folder, "decision")] == ["a", "b"]
    assert log.counters.later == 2 and log.counters.lost == 0
    assert verify(folder, keys={key.id: key.public}).ok


async def test_a_record_that_waits_is_found_in_memory(folder, key, clock, disk):
    with SegmentedAuditLog(folder, key, clock, QUICK) as log:
        found = FolderRecords(folder, log.unwritten)
        await outage(log, disk)
        log.later({"kind": "decision", "id": "a", "delayed": {"code": "audit-disk-full"}})
        assert (await found.find("a"))["delayed"] and found.waits("a")
        await room(log, disk)
        await log.durable({"kind": "decision", "id": "b"})
        assert (await found.find("a"))["delayed"] and not found.waits("a")


async def test_the_last_word_on_a_decision_is_what_is_found(folder, key, clock):
    with SegmentedAuditLog(folder, key, clock, QUICK) as log:
        await log.durable({"kind": "decision", "id": "a", "effect": "allow"})
        await log.durable({"kind": "decision", "id": "a", "effect": "block"})
        assert (await FolderRecords(folder).find("a"))["effect"] == "block"


async def test_what_has_no_room_in_memory_is_counted_and_told(folder, key, clock, disk):
    limits = AuditSettings(retry_seconds=0.02, max_records=3)
    with SegmentedAuditLog(folder, key, clock, limits) as log:
        await outage(log, disk)
        assert [log.later({"kind": "decision", "id": str(n)}) for n in range(5)] == [True] * 3 + [False] * 2
        await room(log, disk)
    assert [event["id"] for event in told(folder, "decision")] == ["0", "1", "2"]
    assert [event["records"] for event in told(folder, "lost")] == [2] and log.counters.lost == 2
    assert "lost" in {note.code for note in verify(folder, keys={key.id: key.public}).notes}


async def test_what_cannot_be_a_record_is_counted(folder, key, clock):
    with SegmentedAuditLog(folder, key, clock, QUICK) as log:
        assert not log.later({"kind": "decision", "odd": object()})
        await log.durable({"kind": "decision", "id": "a"})
    (event,) = told(folder, "lost")
    assert event["records"] == 1 and event["cause"] == "audit.not-recordable"


async def test_the_next_start_tells_what_ended_with_the_agent(folder, key, clock, disk):
    log = SegmentedAuditLog(folder, key, clock, QUICK).start()
    await outage(log, disk)
    for n in range(4):
        log.later({"kind": "decision", "id": str(n)})
    log.close()  # with the disk still full: what is in memory goes
    disk.full = False
    with SegmentedAuditLog(folder, key, clock, QUICK):
        pass
    (event,) = told(folder, "lost")
    assert (event["records"], event["cause"]) == (4, "agent-ended")
    with SegmentedAuditLog(folder, key, clock, QUICK):
        pass
    assert len(told(folder, "lost")) == 1, "told once"


async def test_an_outage_that_ended_leaves_nothing_to_tell(folder, key, clock, disk):
    with SegmentedAuditLog(folder, key, clock, QUICK) as log:
        await outage(log, disk)
        log.later({"kind": "decision", "id": "a"})
        await room(log, disk)
        await log.durable({"kind": "decision", "id": "b"})
    with SegmentedAuditLog(folder, key, clock, QUICK):
        pass
    assert told(folder, "lost") == []
