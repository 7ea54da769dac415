"""What was seen is written soon and little, and outlives whatever happens to the agent or its disk."""

from __future__ import annotations

import datetime as dt
import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from haechi.domain.errors import HaechiError
from haechi.domain.facts import Unknown
from haechi.domain.reads import Gap, Line, Read
from haechi.outbound.ledger import reads as kept
from haechi.outbound.ledger.reads import Held, Seen, SqliteReads
from haechi.outbound.ledger.taken import Taken
from haechi.outbound.reads import memory as remembering
from haechi.outbound.reads.memory import Memory

NOW = dt.datetime(2026, 3, 2, 1, 30, tzinfo=dt.UTC)
SECOND = dt.timedelta(seconds=1)
WINDOW = dt.timedelta(minutes=30)
KIM, LEE = 1001, 1002
HELD = Held("haechi-reads-1", 7, 100)


class Clock:
    def __init__(self) -> None:
        self.time = NOW

    def now(self) -> dt.datetime:
        return self.time

    def monotonic(self) -> float:
        return 0.0


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[SqliteReads]:
    made = SqliteReads(tmp_path / "reads.sqlite")
    yield made
    made.close()


@pytest.fixture
def memory(ledger: SqliteReads) -> Memory:
    made = Memory(ledger, Clock(), threading.Lock())
    made.open()
    return made


def read(seconds: float, user: int, pid: int = 10) -> Read:
    return Read(NOW + seconds * SECOND, "/f", frozenset([user]), ((pid, 1),))


def taken(ledger: SqliteReads) -> bytes:
    return ledger.path.with_suffix(".taken").read_bytes()


def test_who_reads_for_the_first_time_is_written_at_once_and_who_reads_on_is_not(
    memory: Memory, ledger: SqliteReads
) -> None:
    memory.taking()
    memory.remember(read(0, KIM))
    memory.looked(NOW)
    assert memory.urgent
    assert taken(ledger) == b"1", "it is not written yet"
    assert memory.keep(HELD, whole=False) == ""
    assert taken(ledger) == b"0"
    memory.taking()
    memory.remember(read(1, KIM))
    memory.looked(NOW + SECOND)
    assert not memory.urgent
    assert taken(ledger) == b"0"
    assert [one.at for one in ledger.load(NOW).reads] == [NOW]
    memory.keep(HELD, whole=True)
    loaded = ledger.load(NOW + 2 * SECOND)
    assert [one.at for one in loaded.reads] == [NOW + SECOND]
    assert (loaded.held, loaded.until) == (HELD, NOW + SECOND)


def test_who_read_on_at_the_end_is_taken_to_have_read_as_late_as_it_could(memory: Memory, ledger: SqliteReads) -> None:
    ledger.keep(Seen([read(-1, KIM, 10), read(-60, LEE, 20)], until=NOW))
    loaded = ledger.load(NOW + 60 * SECOND)
    memory.take_up(loaded, NOW + 60 * SECOND, unbroken=True)
    assert sorted(one.at for one in memory.recent.reads()) == [NOW - 60 * SECOND, NOW + 4 * SECOND]
    memory.take_up(loaded, NOW + 60 * SECOND, unbroken=False)
    assert sorted(one.at for one in memory.recent.reads()) == [NOW - 60 * SECOND, NOW - SECOND]


def test_a_disk_that_is_full_makes_users_known_and_their_processes_not(
    memory: Memory, ledger: SqliteReads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remembering, "MOST", 3)

    def full(seen: Seen) -> None:
        raise HaechiError("ledger.disk-full", file="x", cause="x")

    with monkeypatch.context() as broken:
        broken.setattr(ledger, "keep", full)
        memory.taking()
        for number in range(9):
            memory.remember(read(number / 10, KIM if number == 0 else LEE, 100 + number))
        assert memory.keep(HELD, whole=True) == "ledger.disk-full"
        memory.looked(NOW)
        assert taken(ledger) == b"1", "a restart has a gap"
    assert memory.keep(HELD, whole=True) == ""
    assert taken(ledger) == b"0"
    loaded = ledger.load(NOW + SECOND)
    assert len(loaded.reads) <= 5
    after = Memory(ledger, Clock(), threading.Lock())
    after.take_up(loaded, NOW + SECOND, unbroken=True)
    facts = after.recent.of(KIM, Line(frozenset([KIM]), ((9, 9),)), NOW + SECOND, WINDOW)
    assert (facts.process, facts.user) == (Unknown("too-many-reads"), True)


def test_a_gap_that_goes_on_is_kept_as_one(memory: Memory, ledger: SqliteReads) -> None:
    for second in range(20):
        memory.gap(Gap(NOW + second * SECOND, NOW + (second + 1) * SECOND, "reads-failed"))
        memory.keep(None, whole=True)
    (gap,) = ledger.load(NOW + 60 * SECOND).gaps
    assert (gap.begin, gap.end) == (NOW, NOW + 20 * SECOND)


def test_of_too_many_readers_the_oldest_are_dropped_and_their_users_stay(
    ledger: SqliteReads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "ROWS", 3)
    root = read(-10, 0, 50)
    ledger.keep(Seen([root, read(-9, KIM, 60), *(read(-5, LEE, 100 + number) for number in range(3))], until=NOW))
    loaded = ledger.load(NOW)
    assert [one.processes[0][0] for one in loaded.reads] == [50, 101, 102], "root's own last"
    assert set(loaded.dropped) == {KIM, LEE}
    assert {user for user, _ in loaded.users} == {0, KIM, LEE}


def test_what_the_version_before_kept_is_taken_up(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "reads.sqlite") as db:
        db.executescript(
            """
            CREATE TABLE reads (reader TEXT PRIMARY KEY, at REAL NOT NULL, said BLOB NOT NULL) WITHOUT ROWID;
            CREATE INDEX reads_at ON reads (at);
            CREATE TABLE gaps (begin REAL NOT NULL, end REAL NOT NULL, cause TEXT NOT NULL, present TEXT);
            CREATE TABLE seen (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), until REAL NOT NULL, dropped REAL);
            PRAGMA user_version = 1;
            """
        )
        db.execute("INSERT INTO seen VALUES (1, ?, ?)", (NOW.timestamp(), NOW.timestamp()))
        said = b'["/f",[1001],[[10,1]],null,null]'
        db.execute("INSERT INTO reads VALUES ('10:1/1001', ?, ?)", (NOW.timestamp(), said))
    db.close()
    ledger = SqliteReads(tmp_path / "reads.sqlite")
    loaded = ledger.load(NOW)
    assert [one.users for one in loaded.reads] == [{KIM}]
    assert loaded.until == NOW
    assert loaded.held is None
    assert [gap.cause for gap in loaded.gaps] == ["too-many-reads"], "of whom nobody knew"
    ledger.close()


def test_the_byte_says_that_something_is_taken_until_all_is_written(tmp_path: Path) -> None:
    first = Taken(tmp_path / "taken")
    assert first.left, "nobody knows what was before"
    first.close()
    again = Taken(tmp_path / "taken")
    assert again.left
    again.clear()
    again.close()
    last = Taken(tmp_path / "taken")
    assert not last.left
    assert os.stat(tmp_path / "taken").st_mode & 0o777 == 0o600
    last.close()
