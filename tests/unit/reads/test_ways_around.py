"""Ways by which a read could go unseen, or hold up everybody: each was open once."""

from __future__ import annotations

import datetime as dt
import errno
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Container, Iterator
from pathlib import Path

import pytest
from haechi.domain.facts import Unknown
from haechi.domain.reads import Gap, Read
from haechi.domain.recent_reads import RecentReads
from haechi.outbound.ledger.reads import Seen, SqliteReads
from haechi.outbound.reads import watch as watching
from haechi.outbound.reads.fanotify import Event, Fanotify
from haechi.outbound.reads.steps import Steps
from haechi.ports.protection import TaggedFile

from tests.unit.reads.test_watch import WINDOW, Machine, machine, me, read_by_another, stranger

__all__ = ["machine"]
NOW = dt.datetime(2026, 3, 2, 1, 30, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)


def test_a_file_renamed_to_where_nobody_looks_stays_tagged(machine: Machine) -> None:
    """The index forgets a name that vanished; the file is the same."""
    machine.start()
    path = machine.write("lot.csv")
    os.rename(path, machine.folder / "holiday.jpg")
    machine.index.paths.clear()
    read_by_another(machine.folder / "holiday.jpg")
    facts = machine.facts()
    assert facts.user is True
    assert facts.latest is not None
    assert facts.latest.file == str(path)


def test_a_file_renamed_there_and_back_stays_tagged(machine: Machine) -> None:
    """The index has not looked at it again yet."""
    machine.start()
    path = machine.write("lot.csv")
    os.rename(path, machine.folder / "holiday.jpg")
    machine.index.paths.clear()
    os.rename(machine.folder / "holiday.jpg", path)
    read_by_another(path)
    assert machine.facts().user is True


@pytest.mark.parametrize(
    "kept",
    [
        pytest.param(lambda path: lambda name: False, id="the index is made anew"),
        # Its file system was mounted anew under another number, and the index has not looked at it again yet.
        pytest.param(lambda path: lambda name: name != str(path), id="the index knows it by name alone"),
    ],
)
def test_a_file_that_the_index_does_not_find_stays_tagged_until_it_is_released(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, kept: Callable[[Path], Callable[[str], bool]]
) -> None:
    monkeypatch.setattr("haechi.outbound.reads.readers.SETTLED_NS", 0)
    machine.start()
    path = machine.write("lot.csv")
    machine.index.paths.clear()
    machine.running._readers._released = kept(path)
    read_by_another(path)
    assert machine.facts().user is True


class Busy(Fanotify):
    """Another tagged file is opened whenever an event was read."""

    files: tuple[Path, ...] = ()
    opened = 0

    def events(self, told: Container[int] = ()) -> Iterator[Event]:
        for event in super().events(told):
            if self.files and self.opened < 20_000:
                os.close(os.open(self.files[self.opened % len(self.files)], os.O_RDONLY))
                self.opened += 1
            yield event


def test_whoever_opens_without_end_holds_up_no_answer(tmp_path: Path) -> None:
    try:
        busy = Busy()
    except OSError as error:
        pytest.skip(f"this kernel gives no fanotify: {error}")
    files = tuple(tmp_path / f"lot-{number}.csv" for number in range(50))
    for file in files:
        file.write_bytes(b"recipe")
        busy.mark(str(file))
    for file in files[:3]:
        os.close(os.open(file, os.O_RDONLY))
    busy.files = files
    first = [event.key for event in busy.events()]
    assert len(first) >= 3
    assert busy.opened < 100
    assert list(busy.events()), "what happened meanwhile comes next"
    busy.close()


def test_status_waits_for_nobody_who_empties_the_queue(machine: Machine) -> None:
    running = machine.start()
    with running._lock:
        asked = threading.Thread(target=running.status, daemon=True)
        asked.start()
        asked.join(5)
        assert not asked.is_alive()


def test_a_program_whose_name_is_no_text_is_kept_and_told(machine: Machine) -> None:
    """Names from Windows archives are CP949."""
    machine.start()
    path = machine.write("lot.csv")
    program = os.fsencode(machine.folder) + b"/\xb0\xa1"
    Path(os.fsdecode(program)).write_bytes(Path(shutil.which("cat") or "/bin/cat").read_bytes())
    os.chmod(program, 0o755)
    with subprocess.Popen([program, path, "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as reader:
        assert reader.stdout is not None
        reader.stdout.read(1)
        facts = machine.facts()
        reader.communicate()
    assert facts.latest is not None
    assert str(facts.latest.executable).endswith("\\udcb0\\udca1")
    machine.running._keep(whole=True)
    assert machine.running.problem == ""
    machine.stop()
    machine.start()
    assert machine.facts().user is True


class Markless(Fanotify):
    """As on a file system that has no handles."""

    def mark(self, *about: object) -> bytes:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")


def test_a_file_that_was_released_and_could_not_be_marked_holds_up_nobody(machine: Machine) -> None:
    running = machine.start(Markless)
    machine.write("lot.csv")
    running._beat()
    assert machine.facts().user == Unknown("reads-files-not-watched")
    machine.index.paths.clear()
    running._beat()
    assert machine.facts().known


def test_files_that_could_not_be_marked_all_get_their_turn(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("haechi.outbound.reads.marks.RETRIED", 2)
    running = machine.start()
    path = machine.write("lot.csv")
    monkeypatch.setattr(running._marks, "_tagged", lambda name: True)
    tried: list[str] = []
    monkeypatch.setattr(running._marks, "mark", tried.append)
    names = [f"/mnt/odd/{number}" for number in range(3)] + [str(path)]
    running._marks.unwatched.update(dict.fromkeys(names, "Operation not supported"))
    running._beat()
    running._beat()
    assert tried == names
    running._marks.unwatched.clear()


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


def test_parents_that_come_and_go_are_forgotten_and_then_not_known() -> None:
    recent = RecentReads(each=4)
    for number in range(100):
        recent.add(Read(NOW, "/f", frozenset([1]), ((7, 7), (1000 + number, 1))))
    assert len(recent.processes()) <= 17
    assert recent.dropped == {1: NOW}


def test_what_was_taken_from_the_queue_and_not_looked_at_is_unknown(machine: Machine) -> None:
    machine.start()
    path = machine.write("lot.csv")

    def fails(device: int, inode: int) -> list[TaggedFile]:
        raise RuntimeError("unforeseen")

    running = machine.running
    assert running._thread is not None
    running._stopping.set()
    running._thread.join()  # whoever asks takes it from the queue
    running._readers._named = fails
    read_by_another(path)
    assert machine.facts().user == Unknown("reads-failed")
    assert machine.facts().user == Unknown("reads-failed"), "and is not forgotten"


def test_another_users_file_under_the_name_clears_nobody(machine: Machine) -> None:
    """Who read was gone; what lies under the old name is closed to all but somebody else."""
    machine.start()
    path = machine.write("lot.csv")
    os.rename(path, machine.folder / "x")
    machine.index.paths.clear()
    path.write_bytes(b"somebody else's")
    path.chmod(0o600)
    with machine.running._lock:
        subprocess.run(["cat", machine.folder / "x"], check=True, stdout=subprocess.DEVNULL)
    assert machine.facts(stranger()).user == Unknown("reader-gone")


def read_and_gone(machine: Machine, path: Path) -> None:
    """By a process of which nobody can say whose it was."""
    with machine.running._lock:
        subprocess.run(["cat", path], check=True, stdout=subprocess.DEVNULL)


def test_who_reads_in_a_folder_of_its_own_and_is_gone_makes_nobody_else_unknown(machine: Machine) -> None:
    (machine.folder / "home").mkdir(mode=0o700)
    machine.start()
    path = machine.write("home/lot.csv")
    path.chmod(0o644)
    read_and_gone(machine, path)
    assert machine.facts(stranger()).user is False
    assert machine.facts().user == Unknown("reader-gone")


def test_a_file_with_another_name_elsewhere_may_have_been_read_by_anybody(machine: Machine) -> None:
    (machine.folder / "home").mkdir(mode=0o700)
    machine.start()
    path = machine.write("home/lot.csv")
    path.chmod(0o644)
    os.link(path, machine.folder / "elsewhere.csv")
    read_and_gone(machine, path)
    assert machine.facts(stranger()).user == Unknown("reader-gone")


class Flushable(Fanotify):
    """The marks of a group end, as they do with their file system."""

    def flush(self) -> None:
        assert self._libc.fanotify_mark(self.descriptor, 0x80, 0, -100, None) == 0


def test_what_lost_its_mark_with_its_file_system_is_marked_again(machine: Machine) -> None:
    group = Flushable()
    running = machine.start(lambda: group)
    path = machine.write("lot.csv")
    group.flush()
    read_by_another(path)
    assert machine.facts().user is False, "nobody could have seen it"
    running._remounted(group, dt.datetime.now(dt.UTC))
    assert machine.facts().user == Unknown("reads-remounted")
    read_by_another(path)
    assert machine.facts().user is True


def test_mounts_elsewhere_are_no_gap(machine: Machine) -> None:
    running = machine.start()
    machine.write("lot.csv")
    assert running._group is not None
    running._remounted(running._group, dt.datetime.now(dt.UTC))
    assert machine.facts().known
