"""A clock that is set makes nothing older or younger, and hides no gap."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path

import pytest
from haechi.domain.facts import Unknown
from haechi.domain.reads import Gap, Read
from haechi.outbound.ledger.reads import Seen, SqliteReads
from haechi.outbound.reads import watch as watching
from haechi.outbound.reads.fanotify import Fanotify
from haechi.outbound.reads.steps import Steps

from tests.unit.reads.test_watch import WINDOW, Machine, machine, me

__all__ = ["machine"]
NOW = dt.datetime(2026, 3, 2, 1, 30, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)


class SetClock:
    """A clock that is set, and a count that goes on."""

    def __init__(self) -> None:
        self.time, self.count = NOW, 100.0

    def now(self) -> dt.datetime:
        return self.time

    def monotonic(self) -> float:
        return self.count

    def elapsed(self) -> float:
        return self.count

    def goes_on(self, by: dt.timedelta) -> None:
        self.time, self.count = self.time + by, self.count + by.total_seconds()


def test_time_that_goes_by_is_no_step_and_a_clock_that_is_set_is() -> None:
    clock = SetClock()
    steps = Steps(clock, clock.elapsed)
    clock.goes_on(600 * MINUTE)
    assert steps.now() == (clock.time, dt.timedelta())
    clock.time -= 45 * MINUTE
    clock.goes_on(MINUTE)
    assert steps.now() == (clock.time, -45 * MINUTE)
    assert steps.now() == (clock.time, dt.timedelta())


@pytest.mark.parametrize("step", [31 * MINUTE, -90 * MINUTE])
def test_a_clock_that_is_set_makes_no_read_older_or_younger(tmp_path: Path, step: dt.timedelta) -> None:
    clock = SetClock()
    ledger = SqliteReads(tmp_path / "reads.sqlite")
    running = watching.ReadWatch(Fanotify(), ledger, clock, lambda: (), lambda device, inode: (), elapsed=clock.elapsed)
    running._since = NOW
    running._memory.remember(Read(NOW, "/f", frozenset([os.getuid()]), ((1, 1),)))
    running._memory.gap(Gap(NOW, NOW, "reads-interrupted"))
    clock.goes_on(10 * MINUTE)
    clock.time += step
    facts = running.facts(me(), WINDOW)
    assert (facts.user, facts.process) == (True, Unknown("reads-interrupted"))
    clock.goes_on(21 * MINUTE)
    assert running.facts(me(), WINDOW).known
    assert running.facts(me(), WINDOW).user is False
    running._keep(whole=True)
    (kept,) = ledger.load(clock.time).reads
    assert kept.at == NOW + step
    running.stop()


def test_reads_and_gaps_kept_before_the_clock_was_set_back_do_not_count_for_ever(tmp_path: Path) -> None:
    ledger = SqliteReads(tmp_path / "reads.sqlite")
    later = NOW + dt.timedelta(days=400)
    read = Read(later, "/f", frozenset([1]), ((1, 1),))
    ledger.keep(Seen([read], [Gap(later, later, "reads-failed")], later, {1: later}))
    remembered = ledger.load(NOW)
    assert [read.at for read in remembered.reads] == [NOW]
    assert [gap.end for gap in remembered.gaps] == [NOW]
    assert (remembered.dropped, remembered.until) == ({1: NOW}, later)
    assert [(user, read.at) for user, read in remembered.users] == [(1, NOW)]
    ledger.close()


def test_a_clock_set_back_while_nobody_watched_makes_the_gap_no_shorter(machine: Machine) -> None:
    machine.write("lot.csv")
    ledger = SqliteReads(machine.folder / "reads.sqlite")
    ledger.keep(Seen(until=dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)))
    ledger.close()
    machine.start()
    (gap,) = machine.running._memory.recent.gaps
    assert gap.present is None
    assert gap.end - gap.begin > dt.timedelta(hours=1)
