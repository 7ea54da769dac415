"""What the kernel tells in great number is gone through quickly, and nothing in it is passed over that matters."""

from __future__ import annotations

import datetime as dt
import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from haechi.domain.facts import Unknown
from haechi.outbound.reads import readers as asking
from haechi.outbound.reads.fanotify import FAN_ACCESS, FAN_DELETE_SELF, FAN_OPEN, Event, Fanotify, _found
from haechi.outbound.reads.readers import Marked, Readers

from tests.unit.reads.test_watch import Machine, ended, machine, read_by_another, stranger

__all__ = ["ended", "machine"]
READ_AND_DELETE = "import os, sys; open(sys.argv[1]).read(); os.unlink(sys.argv[1])"
NOW = dt.datetime(2026, 3, 2, 1, 30, tzinfo=dt.UTC)


def event(mask: int, pid: int, more: int = 0) -> bytes:
    return struct.pack("=IBBHQii", 24 + more, 3, 0, 24, mask, -1, pid) + bytes(more)


def test_events_of_one_length_and_of_several_are_found_alike() -> None:
    same = [event(FAN_OPEN, 1, 28), event(FAN_ACCESS, 2, 28), event(FAN_OPEN | FAN_ACCESS, 3, 28)]
    assert list(_found(b"".join(same))) == [(1, 0), (2, 52), (3, 104)]
    mixed = [event(FAN_OPEN, 1, 28), event(FAN_ACCESS, 2, 36), event(FAN_OPEN, 3, 28)]
    assert list(_found(b"".join(mixed))) == [(1, 0), (2, 52), (3, 112)]


def test_what_is_more_than_an_opening_is_of_nobody_who_could_be_skipped() -> None:
    for data in (event(FAN_OPEN, 1, 28) + event(FAN_DELETE_SELF, 1, 28), event(FAN_OPEN | FAN_DELETE_SELF, 1, 28)):
        assert [pid for pid, _ in _found(data)][-1] == -1


def test_who_reads_and_deletes_a_file_has_read_it(machine: Machine) -> None:
    """The kernel makes one event of both; it once counted as the deletion alone."""
    running = machine.start()
    path = machine.write("lot.csv")
    with running._lock:
        subprocess.run([sys.executable, "-Sc", READ_AND_DELETE, path], check=True)
    assert machine.facts().user == Unknown("reader-gone")
    assert running.status()["files"] == 0


def test_who_goes_through_many_files_is_asked_once(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    running = machine.start()
    paths = [machine.write(f"{number}.csv") for number in range(300)]
    asked: list[int] = []
    real = asking.line_of
    monkeypatch.setattr(asking, "line_of", lambda pid: (asked.append(pid), real(pid))[1])
    monkeypatch.setattr(asking, "AS_IT_WAS", 600.0)
    read_by_another(*paths)
    assert machine.facts().user is True
    assert running.seen >= 300
    assert len(asked) == 1


def test_who_reads_on_and_is_gone_is_known_and_who_opens_and_is_gone_is_not(tmp_path: Path) -> None:
    path = tmp_path / "lot.csv"
    path.write_bytes(b"recipe")
    status = path.stat()
    readers = Readers(True, 0, lambda device, inode: [], lambda name: False)
    readers.files[b"key"] = Marked(str(path), status.st_dev, status.st_ino)
    there = subprocess.Popen(["sleep", "60"])
    readers.begin()
    first = readers.read(Event(FAN_OPEN, there.pid, b"key"), NOW)
    assert first is not None
    there.kill()
    there.wait()
    for known in readers._asked.values():
        known.at -= 2 * asking.AS_IT_WAS
    readers.begin()
    on = readers.read(Event(FAN_ACCESS, there.pid, b"key"), NOW)
    assert on is not None
    assert on.processes == first.processes
    readers.begin()
    another = readers.read(Event(FAN_OPEN, there.pid, b"key"), NOW)
    assert another is not None
    assert another.executable == Unknown("reader-gone")


def test_a_file_that_can_be_watched_again_leaves_the_time_before_unknown(machine: Machine) -> None:
    running = machine.start()
    path = machine.write("lot.csv")
    running._marks.unwatched[str(path)] = "Stale file handle"
    running._marks.mark(str(path))
    assert machine.facts(stranger()).user == Unknown("reads-files-not-watched")
    assert not running._marks.unwatched


def test_a_group_is_told_by_the_flags_that_it_was_made_with() -> None:
    try:
        group = Fanotify()
    except OSError as error:
        pytest.skip(f"this kernel gives no fanotify: {error}")
    if group.privileged:
        assert Fanotify(os.dup(group.descriptor)).privileged
    else:
        with pytest.raises(OSError, match="Bad file descriptor"):
            Fanotify(group.descriptor)
    group.close()
