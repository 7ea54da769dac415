"""The writer: order, durability, recovery, outages."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import signal
import stat
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest
from haechi.domain.errors import HaechiError
from haechi.outbound.audit import AuditSettings, SegmentedAuditLog, verify, writer
from haechi.outbound.audit.segments import lines, segments

from tests.disk import FullDisk, until


def records(folder: Path) -> list[dict]:
    return [json.loads(line) for path in segments(folder) for line, _ in lines(path)]


def decisions(folder: Path) -> list[int]:
    return [record["event"]["n"] for record in records(folder) if record["kind"] == "decision"]


async def test_what_was_recorded_verifies_and_keeps_its_order(folder, key, clock):
    with SegmentedAuditLog(folder, key, clock) as log:
        for n in range(50):
            if n % 3:
                log.soon({"kind": "decision", "n": n})
            else:
                await log.durable({"kind": "decision", "n": n})
    assert decisions(folder) == list(range(50))
    result = verify(folder, keys={key.id: key.public})
    assert result.ok and result.records == 50 + 3  # opened, closed, checkpoint
    assert result.unanchored == 1  # the last checkpoint itself


async def test_durable_returns_only_after_a_sync_that_followed_the_write(folder, key, clock, monkeypatch):
    synced: list[int] = []
    real = os.fdatasync

    def fdatasync(fd: int) -> None:
        synced.append(os.fstat(fd).st_size)
        real(fd)

    monkeypatch.setattr(os, "fdatasync", fdatasync)
    with SegmentedAuditLog(folder, key, clock) as log:
        await log.durable({"kind": "decision", "n": 1})
        (path,) = segments(folder)
        assert b'"n":1' in path.read_bytes()[: synced[-1]]


async def test_many_waiters_share_a_sync(folder, key, clock):
    with SegmentedAuditLog(folder, key, clock) as log:
        await log.durable({"kind": "decision", "n": -1})
        before = log.counters.commits
        await asyncio.gather(*(log.durable({"kind": "decision", "n": n}) for n in range(200)))
        assert log.counters.commits - before < 20


async def test_what_waits_to_be_written_is_counted(folder, key, clock):
    """Nothing waits once a durable record is in: what came before it is in the chain too."""
    with SegmentedAuditLog(folder, key, clock, AuditSettings(linger_seconds=60)) as log:
        await log.durable({"kind": "decision", "n": 0})
        log.soon({"kind": "decision", "n": 1})
        log.soon({"kind": "decision", "n": 2})
        assert log.waiting == 2
        await log.durable({"kind": "decision", "n": 3})
        assert log.waiting == 0
        assert decisions(folder) == [0, 1, 2, 3]


def test_a_record_nobody_waits_for_is_on_the_disk_within_the_window(folder, key, clock):
    with SegmentedAuditLog(folder, key, clock, AuditSettings(flush_seconds=0.05)) as log:
        before = log.counters.commits
        log.soon({"kind": "decision", "n": 1})
        deadline = time.monotonic() + 2
        while log.counters.commits == before and time.monotonic() < deadline:
            time.sleep(0.005)
        assert log.counters.commits > before
        assert decisions(folder) == [1]


def test_only_the_owner_can_read(folder, key, clock):
    with SegmentedAuditLog(folder, key, clock):
        pass
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_a_second_writer_is_refused_and_told_who_writes(folder, key, clock):
    with SegmentedAuditLog(folder, key, clock), pytest.raises(HaechiError) as caught:
        SegmentedAuditLog(folder, key, clock).start()
    assert caught.value.code == "audit.locked"
    assert caught.value.params["pid"] == str(os.getpid())
    SegmentedAuditLog(folder, key, clock).start().close()


async def test_segments_rotate_by_size_and_the_chain_goes_on(folder, key, clock):
    settings = AuditSettings(segment_bytes=2000)
    with SegmentedAuditLog(folder, key, clock, settings) as log:
        for n in range(40):
            await log.durable({"kind": "decision", "n": n})
    assert len(segments(folder)) > 3
    result = verify(folder, keys={key.id: key.public})
    assert result.ok and decisions(folder) == list(range(40))


async def test_checkpoints_come_by_count_and_by_time(folder, key, clock):
    settings = AuditSettings(checkpoint_records=10, checkpoint_seconds=0.1)
    with SegmentedAuditLog(folder, key, clock, settings) as log:
        for n in range(30):
            await log.durable({"kind": "decision", "n": n})
        counted = log.counters.checkpoints
        assert counted >= 2
        await log.durable({"kind": "decision", "n": 30})
        async with asyncio.timeout(5):
            while log.counters.checkpoints == counted:
                await asyncio.sleep(0.01)
        idle = log.counters.checkpoints
        await asyncio.sleep(0.3)
        assert log.counters.checkpoints == idle  # a checkpoint is no reason for the next
    listed = (folder / "checkpoints.jsonl").read_text().splitlines()
    assert len(listed) == log.counters.checkpoints


@pytest.mark.parametrize("cut", [1, 20, 100])
async def test_a_torn_last_line_is_kept_aside_recorded_and_the_chain_goes_on(folder, key, clock, cut):
    with SegmentedAuditLog(folder, key, clock) as log:
        await log.durable({"kind": "decision", "n": 1})
    (path,) = segments(folder)
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    torn = whole[:-cut][whole[:-cut].rfind(b"\n") + 1 :]
    with SegmentedAuditLog(folder, key, clock) as log:
        await log.durable({"kind": "decision", "n": 2})
        assert log.counters.torn == 1
    (aside,) = folder.glob("torn-*.bin")
    assert aside.read_bytes() == torn
    result = verify(folder, keys={key.id: key.public})
    assert [note.code for note in result.notes if note.code == "recovered"] == ["recovered"]
    assert decisions(folder) == [1, 2]
    # The cut took a checkpoint that had been given out: that, and only that, is a flaw.
    assert {problem.flaw.value for problem in result.problems} <= {"checkpoint"}


async def test_a_torn_record_without_checkpoint_verifies_with_a_note(folder, key, clock):
    with SegmentedAuditLog(folder, key, clock) as log:
        await log.durable({"kind": "decision", "n": 1})
    (path,) = segments(folder)
    with path.open("ab") as file:
        file.write(b'{"event":{"kind":"decision","n":2},"ki')
    with SegmentedAuditLog(folder, key, clock) as log:
        await log.durable({"kind": "decision", "n": 3})
    result = verify(folder, keys={key.id: key.public})
    assert result.ok
    assert "recovered" in {note.code for note in result.notes}


async def test_a_full_disk_refuses_and_room_brings_it_back(folder, key, clock, monkeypatch):
    disk = FullDisk(monkeypatch, folder, fits=10)
    with SegmentedAuditLog(folder, key, clock, AuditSettings(retry_seconds=0.02)) as log:
        await log.durable({"kind": "decision", "n": 1})
        disk.full = True
        with pytest.raises(HaechiError) as caught:
            await log.durable({"kind": "decision", "n": 2})
        assert caught.value.code == "audit.disk-full"
        with pytest.raises(HaechiError):
            log.soon({"kind": "decision", "n": 3})
        assert log.health is not None
        disk.full = False
        await until(lambda: log.health is None)
        await log.durable({"kind": "decision", "n": 4})
    assert decisions(folder) == [1, 4]
    (told,) = [record for record in records(folder) if record["kind"] == "interrupted"]
    assert told["event"]["cause"] == "audit.disk-full" and told["event"]["refused"] == 2
    assert verify(folder, keys={key.id: key.public}).ok


async def test_a_start_on_a_full_disk_refuses_until_there_is_room(folder, key, clock, monkeypatch):
    with SegmentedAuditLog(folder, key, clock):
        pass
    disk = FullDisk(monkeypatch, folder)
    disk.full = True
    with SegmentedAuditLog(folder, key, clock, AuditSettings(retry_seconds=0.02)) as log:
        with pytest.raises(HaechiError, match=r"audit\.disk-full"):
            await log.durable({"kind": "decision", "n": 1})
        disk.full = False
        await until(lambda: log.health is None)
        await log.durable({"kind": "decision", "n": 2})
    assert decisions(folder) == [2]
    assert verify(folder, keys={key.id: key.public}).ok


async def test_nothing_but_stopping_ends_the_writer(folder, key, clock, monkeypatch):
    """Neither an operations log that is on the same full disk and raises, nor what nobody foresaw."""
    real, state = os.write, {"refuses": None}

    def write(fd: int, data: bytes) -> int:
        if state["refuses"]:
            raise state["refuses"]
        return real(fd, data)

    class Raising:
        def __getattr__(self, name: str) -> object:
            def log(*_: object, **__: object) -> None:
                raise OSError(errno.ENOSPC, "No space left on device")

            return log

    monkeypatch.setattr(os, "write", write)
    monkeypatch.setattr(writer, "_log", Raising())
    with SegmentedAuditLog(folder, key, clock, AuditSettings(retry_seconds=0.02)) as log:
        await log.durable({"kind": "decision", "n": 0})
        for refused in (OSError(errno.ENOSPC, "No space left on device"), RuntimeError("not foreseen")):
            state["refuses"] = refused
            with pytest.raises(HaechiError) as caught:
                await log.durable({"kind": "decision", "n": -1})
            assert caught.value.code in ("audit.disk-full", "audit.broken")
            log.later({"kind": "decision", "n": 1})
            state["refuses"] = None
            async with asyncio.timeout(10):
                while log.health is not None:
                    await asyncio.sleep(0.005)
        await log.durable({"kind": "decision", "n": 2})
    assert decisions(folder) == [0, 1, 1, 2]
    assert log.counters.lost == 0
    assert verify(folder, keys={key.id: key.public}).ok


async def test_what_was_taken_before_the_disk_filled_is_written_later(folder, key, clock, monkeypatch):
    disk = FullDisk(monkeypatch, folder)
    with SegmentedAuditLog(folder, key, clock, AuditSettings(retry_seconds=0.02)) as log:
        await log.durable({"kind": "decision", "n": 0})
        disk.full = True
        for n in range(1, 4):
            log.soon({"kind": "decision", "n": n})
        await until(lambda: log.health is not None)
        disk.full = False
    assert decisions(folder) == [0, 1, 2, 3]
    assert log.counters.lost == 0


async def test_a_failed_sync_refuses_and_a_new_segment_goes_on(folder, key, clock, monkeypatch):
    real, state = os.fdatasync, {"bad": False}

    def fdatasync(fd: int) -> None:
        if state["bad"]:
            state["bad"] = False
            raise OSError(errno.EIO, "Input/output error")
        real(fd)

    monkeypatch.setattr(os, "fdatasync", fdatasync)
    with SegmentedAuditLog(folder, key, clock, AuditSettings(retry_seconds=0.02)) as log:
        await log.durable({"kind": "decision", "n": 1})
        state["bad"] = True
        with pytest.raises(HaechiError) as caught:
            await log.durable({"kind": "decision", "n": 2})
        assert caught.value.code == "audit.broken"
        await until(lambda: log.health is None)
        await log.durable({"kind": "decision", "n": 3})
    assert len(segments(folder)) == 2
    assert verify(folder, keys={key.id: key.public}).ok


async def test_a_deleted_segment_refuses_and_the_gap_shows(folder, key, clock):
    with SegmentedAuditLog(folder, key, clock, AuditSettings(retry_seconds=0.02)) as log:
        await log.durable({"kind": "decision", "n": 1})
        segments(folder)[0].unlink()
        with pytest.raises(HaechiError, match=r"audit\.unwritable"):
            await log.durable({"kind": "decision", "n": 2})
        await until(lambda: log.health is None)
        await log.durable({"kind": "decision", "n": 3})
    assert decisions(folder) == [3]
    assert not verify(folder, keys={key.id: key.public}).ok


async def test_a_disk_that_does_not_answer_in_time_is_an_error_not_an_allow(folder, key, clock, monkeypatch):
    release = threading.Event()
    real = os.fdatasync

    def fdatasync(fd: int) -> None:
        release.wait(5)
        real(fd)

    with SegmentedAuditLog(folder, key, clock, AuditSettings(durable_seconds=0.05)) as log:
        await asyncio.sleep(0.1)
        monkeypatch.setattr(os, "fdatasync", fdatasync)
        with pytest.raises(HaechiError) as caught:
            await log.durable({"kind": "decision", "n": 1})
        assert caught.value.code == "audit.late"
        release.set()


async def test_a_full_queue_refuses_and_counts(folder, key, clock, monkeypatch):
    hold, writing = threading.Event(), threading.Event()
    real = os.write

    def write(fd: int, data: bytes) -> int:
        writing.set()
        hold.wait(5)
        return real(fd, data)

    with SegmentedAuditLog(folder, key, clock, AuditSettings(max_records=5)) as log:
        await log.durable({"kind": "decision", "n": 0})
        monkeypatch.setattr(os, "write", write)
        log.soon({"kind": "decision", "n": 1})
        assert await asyncio.to_thread(writing.wait, 5)
        for n in range(4):
            log.soon({"kind": "decision", "n": 2 + n})
        with pytest.raises(HaechiError) as caught:
            log.soon({"kind": "decision", "n": 99})
        assert caught.value.code == "audit.full" and log.counters.refused == 1
        hold.set()
    assert decisions(folder) == list(range(6))


async def test_a_log_that_does_not_end_in_time_says_so_and_keeps_its_folder(folder, key, clock, monkeypatch):
    writing, hold = threading.Event(), threading.Event()
    written = os.write

    def write(handle: int, data: bytes) -> int:
        if threading.current_thread() is not threading.main_thread():
            writing.set()
            hold.wait(5)
        return written(handle, data)

    log = SegmentedAuditLog(folder, key, clock).start()
    monkeypatch.setattr(os, "write", write)
    log.soon({"kind": "decision", "n": 1})
    assert await asyncio.to_thread(writing.wait, 5)
    assert log.close(0.01) is False
    assert log.counters.failed == 1
    with pytest.raises(HaechiError, match=r"audit\.locked"):
        SegmentedAuditLog(folder, key, clock).start()
    hold.set()
    assert log.close() is True
    assert decisions(folder) == [1]


async def test_a_closed_log_refuses(folder, key, clock):
    log = SegmentedAuditLog(folder, key, clock).start()
    log.close()
    with pytest.raises(HaechiError, match=r"audit\.closed"):
        await log.durable({"kind": "decision", "n": 1})
    with pytest.raises(HaechiError, match=r"audit\.closed"):
        log.soon({"kind": "decision", "n": 1})


async def test_a_name_that_is_no_text_is_spelled_out(folder, key, clock):
    with SegmentedAuditLog(folder, key, clock) as log:
        await log.durable({"kind": "decision", "n": 1, "path": b"/a/\xff".decode("utf-8", "surrogateescape")})
    assert r"\udcff" in next(r for r in records(folder) if r["kind"] == "decision")["event"]["path"]
    assert verify(folder, keys={key.id: key.public}).ok


async def test_what_cannot_be_recorded_is_refused_and_the_log_lives(folder, key, clock):
    with SegmentedAuditLog(folder, key, clock) as log:
        with pytest.raises(HaechiError, match=r"audit\.not-recordable"):
            await log.durable({"kind": "decision", "n": object()})
        with pytest.raises(HaechiError, match=r"audit\.too-large"):
            await log.durable({"kind": "decision", "n": "x" * 5_000_000})
        await log.durable({"kind": "decision", "n": 1})
    assert decisions(folder) == [1]


KILLED = textwrap.dedent(
    """
    import asyncio, sys
    from pathlib import Path
    from haechi.outbound.audit import AuditSettings, SegmentedAuditLog
    from haechi.outbound.clock import SystemClock
    from haechi.outbound.trust.keys import SigningKey

    async def main(folder):
        key = SigningKey.load_or_make(folder.parent / "key.pem")
        settings = AuditSettings(segment_bytes=20_000, checkpoint_records=20)
        with SegmentedAuditLog(folder, key, SystemClock(), settings) as log:
            n = 0
            while True:
                n += 1
                log.soon({"kind": "soon", "n": n})
                await log.durable({"kind": "decision", "n": n})
                print(n, flush=True)

    asyncio.run(main(Path(sys.argv[1])))
    """
)


def test_kill_9_loses_nothing_that_was_acknowledged(folder, clock):
    acknowledged = []
    for turn in range(4):
        process = subprocess.Popen([sys.executable, "-c", KILLED, str(folder)], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.05 + 0.03 * turn)
        process.send_signal(signal.SIGKILL)
        seen = [1] + [int(line) for line in process.stdout.read().splitlines() if line]
        process.wait()
        acknowledged.append(len(seen))
    result = verify(folder)
    assert result.ok, result.problems
    assert len([r for r in records(folder) if r["kind"] == "decision"]) >= sum(acknowledged) - 4
    counts = []
    for record in records(folder):
        if record["kind"] == "opened":
            counts.append(0)
        elif record["kind"] == "decision":
            counts[-1] += 1
    assert all(kept >= said for kept, said in zip(counts, acknowledged, strict=True))
