"""The watch on tagged files with the real kernel, real processes and a real memory."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
from collections.abc import Callable, Container, Iterator, Sequence
from pathlib import Path

import pytest
from haechi.domain.actor import Actor, Certainty
from haechi.domain.errors import HaechiError
from haechi.domain.facts import Unknown
from haechi.domain.reads import ReadFacts
from haechi.outbound.clock import SystemClock
from haechi.outbound.ledger.reads import SqliteReads
from haechi.outbound.reads import ReadWatch
from haechi.outbound.reads.fanotify import FAN_Q_OVERFLOW, Event, Fanotify
from haechi.ports.protection import Observed, Stamp, TaggedFile

WINDOW = dt.timedelta(minutes=30)


class Tagged:
    """The index, as far as the watch asks it."""

    def __init__(self) -> None:
        self.paths: list[Path] = []

    def known(self) -> list[TaggedFile]:
        return [tagged(path) for path in self.paths if path.exists()]

    def named(self, device: int, inode: int) -> list[TaggedFile]:
        return [file for file in self.known() if (file.stamp.device, file.stamp.inode) == (device, inode)]


def tagged(path: Path) -> TaggedFile:
    status = path.stat()
    return TaggedFile(str(path), Stamp(status.st_dev, status.st_ino, status.st_size, 0, 0), ())


class Machine:
    """A folder, what is tagged in it, and the agents that run one after another."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.index = folder, Tagged()
        self.watch: ReadWatch | None = None

    def write(self, name: str, *, tag: bool = True) -> Path:
        path = self.folder / name
        path.write_bytes(b"recipe")
        if tag:
            self.index.paths.append(path)
        if tag and self.watch is not None:
            self.looked_at(path)
        return path

    def looked_at(self, path: Path) -> None:
        file = tagged(path)
        self.running.observed([Observed(file.path, file.stamp, (), None)])  # type: ignore[arg-type]

    def start(self, group: Callable[[], Fanotify] = Fanotify) -> ReadWatch:
        try:
            made = group()
        except OSError as error:
            pytest.skip(f"this kernel gives no fanotify: {error}")
        ledger = SqliteReads(self.folder / "reads.sqlite")
        self.watch = ReadWatch(made, ledger, SystemClock(), self.index.known, self.index.named)
        self.watch.start()
        assert self.watch.wait_ready(20)
        return self.watch

    def stop(self) -> None:
        if self.watch is not None:
            self.watch.stop()
            self.watch = None

    @property
    def running(self) -> ReadWatch:
        assert self.watch is not None
        return self.watch

    def facts(self, actor: Actor | None = None) -> ReadFacts:
        return self.running.facts(actor or me(), WINDOW)


def me(uid: int | None = None) -> Actor:
    pid = os.getpid()
    started = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    return Actor("me", os.getuid() if uid is None else uid, pid, sys.executable, started, "test", Certainty.EXACT)


def stranger() -> Actor:
    gone = Unknown("no-process")
    return Actor("stranger", 65533, gone, gone, gone, "test", Certainty.USER_ONLY)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path)
    yield made
    made.stop()


READER = "import sys; [open(name).read() for name in sys.argv[1:]]; print(flush=True); sys.stdin.read()"
readers: list[subprocess.Popen[bytes]] = []


def read_by_another(*paths: Path) -> None:
    """By a process that is still there when the queue is looked at; one that is not may be anybody."""
    reader = subprocess.Popen(
        [sys.executable, "-Sc", READER, *paths], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    )
    readers.append(reader)
    assert reader.stdout is not None
    assert reader.stdout.readline() == b"\n"


@pytest.fixture(autouse=True)
def ended() -> Iterator[None]:
    yield
    while readers:
        readers.pop().communicate()


def test_a_read_is_seen_before_the_question_is_answered(machine: Machine) -> None:
    machine.start()
    path = machine.write("lot.csv")
    assert machine.facts() == ReadFacts(False, False, WINDOW)
    read_by_another(path)
    facts = machine.facts()
    assert facts.user is True
    assert facts.latest is not None
    assert facts.latest.file == str(path)


def test_the_agents_own_reads_are_left_out(machine: Machine) -> None:
    machine.start()
    machine.write("lot.csv").read_bytes()
    assert machine.facts().user is False


def test_other_files_and_those_that_are_tagged_no_more_are_none(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("haechi.outbound.reads.readers.SETTLED_NS", 0)
    machine.start()
    path, other = machine.write("lot.csv"), machine.write("holiday.jpg", tag=False)
    read_by_another(other)
    assert machine.facts().user is False
    machine.index.paths.remove(path)
    read_by_another(path)
    assert machine.facts().user is False


def test_another_name_and_another_file_of_the_name_are_seen(machine: Machine) -> None:
    machine.start()
    path = machine.write("lot.csv")
    os.link(path, machine.folder / "link.csv")
    read_by_another(machine.folder / "link.csv")
    assert machine.facts().user is True
    machine.stop()
    (machine.folder / "reads.sqlite").unlink()
    machine.index.paths.clear()
    machine.start()
    replaced = machine.write("second.csv")
    (machine.folder / "new").write_bytes(b"saved by replacing")
    os.replace(machine.folder / "new", replaced)
    machine.looked_at(replaced)
    read_by_another(replaced)
    assert machine.facts().user is True


def test_reads_outlive_the_agent(machine: Machine) -> None:
    machine.start()
    read_by_another(machine.write("lot.csv"))
    machine.stop()
    machine.start()
    facts = machine.facts()
    assert facts.user is True
    assert facts.latest is not None
    assert facts.latest.file.endswith("lot.csv")


def test_what_happened_while_no_agent_ran_is_unknown_to_those_who_were_there(machine: Machine) -> None:
    machine.start()
    machine.write("lot.csv")
    machine.stop()
    machine.start()
    facts = machine.facts()
    assert (facts.user, facts.process) == (Unknown("reads-interrupted"), Unknown("reads-interrupted"))
    assert facts.unseen is not None
    assert machine.facts(stranger()).user is False, "who had no process at the end of a short gap"


def test_a_memory_that_is_lost_is_a_gap_for_everybody(machine: Machine) -> None:
    machine.start()
    machine.write("lot.csv")
    machine.stop()
    (machine.folder / "reads.sqlite").write_bytes(b"no database at all" * 100)
    machine.start()
    assert machine.facts(stranger()).user == Unknown("reads-interrupted")
    assert (machine.folder / "reads.sqlite.damaged").exists()
    read_by_another(machine.index.paths[0])
    machine.stop()
    machine.start()
    assert machine.facts().user is True, "the one made anew remembers"
    assert machine.facts(stranger()).user == Unknown("reads-interrupted"), "and so it does the gap"


def test_an_agent_that_never_took_up_what_was_seen_writes_nothing_over_it(machine: Machine) -> None:
    machine.start()
    machine.write("lot.csv")
    machine.stop()
    before = SqliteReads(machine.folder / "reads.sqlite").load(SystemClock().now()).until

    def fails() -> list[TaggedFile]:
        raise HaechiError("index.locked", path="x")

    ledger = SqliteReads(machine.folder / "reads.sqlite")
    watch = ReadWatch(Fanotify(), ledger, SystemClock(), fails, machine.index.named)
    watch.start()
    assert not watch.wait_ready(0.2)
    assert watch.facts(me(), WINDOW).user == Unknown("reads-failed")
    watch.stop()
    assert SqliteReads(machine.folder / "reads.sqlite").load(SystemClock().now()).until == before


def test_a_file_that_cannot_be_marked_leaves_everything_unknown(machine: Machine) -> None:
    watch = machine.start()
    machine.write("lot.csv")
    Path("/proc/self/status").stat()
    watch.observed([Observed("/proc/self/mem-of-none/x", Stamp(0, 0, 0, 0, 0), (), None)])  # type: ignore[arg-type]
    assert machine.facts().known, "a file that is gone needs no mark"
    watch._marks.unwatched["/mnt/odd/lot.csv"] = "Operation not supported"
    assert machine.facts().user == Unknown("reads-files-not-watched")
    assert watch.status()["unwatched"] == 1


class Dropping(Fanotify):
    """A group of which the kernel dropped something once."""

    dropped = False

    def events(self, told: Container[int] = ()) -> Iterator[Event]:
        if not self.dropped:
            self.dropped = True
            yield Event(FAN_Q_OVERFLOW, 0, b"")
        yield from super().events(told)


def test_what_the_kernel_dropped_is_unknown(machine: Machine) -> None:
    watch = machine.start(Dropping)
    assert machine.facts().user == Unknown("reads-overflowed")
    assert watch.overflows == 1


class Failing(Fanotify):
    """A group that cannot be read."""

    def events(self, told: Container[int] = ()) -> Iterator[Event]:
        raise OSError(5, "input/output error")


def test_a_queue_that_cannot_be_read_is_unknown_and_ends_nothing(machine: Machine) -> None:
    watch = machine.start(Failing)
    assert machine.facts().user == Unknown("reads-failed")
    assert watch.problem == "reads.failed"


def test_a_kernel_without_any_of_it_is_unknown(tmp_path: Path) -> None:
    def none() -> Sequence[TaggedFile]:
        return ()

    watch = ReadWatch(
        None, SqliteReads(tmp_path / "r.sqlite"), SystemClock(), none, lambda device, inode: (), why="Invalid argument"
    )
    watch.start()
    facts = watch.facts(me(), WINDOW)
    assert (facts.user, facts.process) == (Unknown("reads-not-watched"), Unknown("reads-not-watched"))
    assert watch.status()["sees"] == "nothing"
    watch.stop()


def test_an_index_that_fails_makes_no_read_unseen(machine: Machine) -> None:
    machine.start()
    path = machine.write("lot.csv")

    def fails(device: int, inode: int) -> Sequence[TaggedFile]:
        raise HaechiError("index.locked", path="x")

    machine.running._readers._named = fails
    read_by_another(path)
    assert machine.facts().user is True
