"""A large change is worked off while single ones overtake it; until then nothing is known to be harmless."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from haechi.app.indexing import Indexing
from haechi.inbound.watch.changes import LONGEST_QUIET, Change, Changes, Kind
from haechi.inbound.watch.watcher import Watcher
from haechi.outbound.index import SqliteContentIndex

from tests.unit.watch.conftest import Machine

MANY = 400
RULE = "tags:\n  - {files: '*.x', technology: SEM-01, grade: A}\n"


class Held:
    """A reader that stops at the first file of the many until it is released, and notes in which order it reads."""

    def __init__(self, reader: Any) -> None:
        self._reader = reader
        self.reached, self.released = threading.Event(), threading.Event()
        self.read_paths: list[str] = []

    def read(self, path: str) -> object:
        self.read_paths.append(path)
        if path.endswith(".x") and not self.released.is_set():
            self.reached.set()
            assert self.released.wait(20)
        return self._reader.read(path)


@pytest.fixture
def busy(files: Path, index: SqliteContentIndex, indexing: Indexing) -> Iterator[tuple[Machine, Held]]:
    """A machine whose worker holds the first of many files that a new rule tags."""
    (files / "many").mkdir()
    for number in range(MANY):
        (files / "many" / f"{number}.x").write_bytes(b"wafer map %d" % number)
    watcher = Watcher(indexing, [str(files)], late_after=0.1)
    index.late = lambda: watcher.late
    watcher.start()
    assert watcher.wait_scanned(10)
    machine = Machine(files, index, indexing, watcher)
    assert machine.until(lambda: index.ready)
    machine.tagged("recipe")
    held = Held(indexing.files.reader)
    indexing.files.reader = held
    (files / "many" / ".haechi.yaml").write_text(RULE)
    assert held.reached.wait(10)
    yield machine, held
    held.released.set()
    watcher.stop()


def test_the_index_is_not_ready_until_a_large_change_was_worked_off(busy: tuple[Machine, Held]) -> None:
    machine, held = busy
    assert machine.until(lambda: not machine.index.ready)
    assert machine.index.whole and not machine.index.empty
    assert machine.watcher.status()["late"] is True
    held.released.set()
    assert machine.until(lambda: machine.index.ready, 20)
    assert len(machine.index.files(str(machine.folder / "many"))) == MANY


def test_a_single_save_overtakes_a_large_change(busy: tuple[Machine, Held]) -> None:
    machine, held = busy
    new, beside = machine.new_body(), machine.folder / "recipe.tmp"
    beside.write_bytes(new)
    beside.rename(machine.folder / "recipe")
    assert machine.until(lambda: machine.watcher.changes.waiting > 1)
    held.released.set()
    assert machine.recognises(new)
    assert machine.until(lambda: machine.index.ready, 20)
    assert held.read_paths.index(str(machine.folder / "recipe")) < MANY


def test_stopping_waits_for_one_file_and_not_for_all(busy: tuple[Machine, Held]) -> None:
    machine, held = busy
    stopping = threading.Thread(target=machine.watcher.stop)
    stopping.start()
    assert machine.until(machine.watcher._stopping.is_set)
    held.released.set()
    stopping.join(20)
    assert not stopping.is_alive()
    assert len(held.read_paths) < 5


class Time:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_change_is_late_after_its_time_wherever_it_is() -> None:
    clock = Time()
    changes = Changes(clock=clock)
    assert not changes.late(1.0)
    changes.put(Change(Kind.TOUCHED, "/f"))
    clock.now += 0.9
    assert not changes.late(1.0)
    clock.now += 0.2
    assert changes.late(1.0)
    due, _ = changes.take(clock.now, 0.0)
    assert changes.late(1.0), "in hand"
    changes.defer(due)
    changes.done()
    assert changes.late(1.0), "bulk"
    changes.looked_at(changes.bulk(10))
    assert not changes.late(1.0)


def test_lost_changes_are_late_at_once_until_all_was_gone_through() -> None:
    changes = Changes(most=1)
    changes.put(Change(Kind.TOUCHED, "/a"))
    changes.put(Change(Kind.TOUCHED, "/b"))
    assert changes.late(60.0)
    assert changes.take(0.0, 0.0) == ([], True)
    assert changes.late(60.0)
    changes.rescanned()
    assert not changes.late(60.0)


def test_changes_lost_during_the_scan_need_another() -> None:
    changes = Changes()
    changes.rescan()
    changes.take(0.0, 0.0)
    changes.rescan()
    changes.rescanned()
    assert changes.late(60.0)


def test_a_file_that_is_written_without_a_rest_holds_up_nobody() -> None:
    clock = Time()
    changes = Changes(clock=clock)
    began = clock.now
    while clock.now < began + LONGEST_QUIET:
        changes.put(Change(Kind.TOUCHED, "/log", due=clock.now + 0.05))
        clock.now += 0.01
        changes.put(Change(Kind.TOUCHED, "/behind", due=clock.now))
    due, _ = changes.take(clock.now, 0.0)
    assert [change.path for change in due] == ["/log", "/behind"]


def test_what_is_touched_again_while_it_is_looked_at_stays_in_the_second_lane() -> None:
    changes = Changes()
    changes.defer([Change(Kind.TOUCHED, "/folder")])
    some = changes.bulk(10)
    changes.defer([Change(Kind.TOUCHED, "/folder")])
    changes.looked_at(some)
    assert [change.path for change in changes.bulk(10)] == ["/folder"]
