"""The kernel's group outlives the agent where a service manager holds it: nothing is unknown after a restart then."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from haechi.outbound.reads.fanotify import Fanotify
from haechi.outbound.reads.handover import PREFIX, Handover
from haechi.outbound.reads.processes import forks, unrepeated
from haechi.outbound.system.descriptors import DescriptorStore, descriptor_store, handed_over

from tests.unit.reads.service_manager import ServiceManager
from tests.unit.reads.test_watch import ended, read_by_another

__all__ = ["ended"]
STRANGER = 61_237


def privileged() -> bool:
    try:
        group = Fanotify()
    except OSError:
        return False
    group.close()
    return group.privileged


pytestmark = pytest.mark.skipif(not privileged(), reason="the kernel names processes to CAP_SYS_ADMIN alone")


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[ServiceManager]:
    (tmp_path / "tagged").mkdir()
    made = ServiceManager(tmp_path)
    made.start()
    yield made
    made.close()


def tag(manager: ServiceManager, path: Path) -> Path:
    path.write_bytes(b"recipe")
    manager.asked("mark", str(path))
    return path


@pytest.fixture
def lot(manager: ServiceManager, tmp_path: Path) -> Path:
    return tag(manager, tmp_path / "tagged" / "lot.csv")


def user(manager: ServiceManager, uid: int | None = None) -> Any:
    return manager.asked("facts", os.getuid() if uid is None else uid)["user"]


def quiet(folder: Path) -> None:
    """Wait until all that was taken is written."""
    until = time.monotonic() + 10
    while (folder / "reads.taken").read_bytes() != b"0" and time.monotonic() < until:
        time.sleep(0.01)


END: dict[str, Callable[[ServiceManager], None]] = {"killed": ServiceManager.kill, "stopped": ServiceManager.stop}


@pytest.mark.parametrize("end", END.values(), ids=END)
def test_nothing_is_unknown_after_a_restart(
    manager: ServiceManager, tmp_path: Path, lot: Path, end: Callable[[ServiceManager], None]
) -> None:
    assert user(manager) is False
    quiet(tmp_path)
    end(manager)
    manager.start()
    assert user(manager) is False
    assert manager.asked("status")["gaps"] == []
    assert len(manager.held) == 1, "the earlier one was let go"


def test_what_is_read_while_no_agent_runs_is_seen_by_the_next(
    manager: ServiceManager, tmp_path: Path, lot: Path
) -> None:
    quiet(tmp_path)
    manager.kill()
    read_by_another(lot)
    manager.start()
    facts = manager.asked("facts", os.getuid())
    assert facts["user"] is True
    assert facts["latest"]["file"] == str(lot)
    assert user(manager, STRANGER) is False


def test_who_read_and_ended_while_no_agent_ran_may_be_anybody_whom_the_file_lets_read(
    manager: ServiceManager, tmp_path: Path, lot: Path
) -> None:
    quiet(tmp_path)
    manager.kill()
    subprocess.run(["cat", lot], check=True, stdout=subprocess.DEVNULL)
    manager.start()
    assert user(manager) == {"unknown": "reader-gone"}
    assert user(manager, STRANGER) is False, "the folders of these tests are closed to others"


def test_who_read_a_moment_before_the_agent_was_killed_is_remembered(
    manager: ServiceManager, tmp_path: Path, lot: Path
) -> None:
    read_by_another(lot)
    assert user(manager) is True
    quiet(tmp_path)
    manager.kill()
    manager.start()
    assert user(manager) is True
    assert user(manager, STRANGER) is False


def test_what_was_taken_and_perhaps_not_written_is_a_gap(manager: ServiceManager, tmp_path: Path, lot: Path) -> None:
    quiet(tmp_path)
    manager.kill()
    (tmp_path / "reads.taken").write_bytes(b"1")
    manager.start()
    assert user(manager) == {"unknown": "reads-interrupted"}


def test_what_the_agent_itself_opened_is_no_read_to_the_next(manager: ServiceManager, lot: Path) -> None:
    for _ in range(20):
        manager.asked("open", str(lot))
    manager.kill()
    manager.start()
    assert manager.asked("facts", os.getuid())["latest"] is None


def test_a_file_that_the_earlier_group_does_not_hold_is_a_gap(
    manager: ServiceManager, tmp_path: Path, lot: Path
) -> None:
    """It was put in with its file system, or tagged, while nobody could mark it."""
    quiet(tmp_path)
    manager.kill()
    (lot.parent / "new.csv").write_bytes(b"recipe")
    manager.start()
    assert user(manager) == {"unknown": "reads-interrupted"}


def test_numbers_of_processes_that_may_have_come_again_are_not_trusted(
    manager: ServiceManager, tmp_path: Path, lot: Path
) -> None:
    quiet(tmp_path)
    manager.kill()
    with sqlite3.connect(tmp_path / "reads.sqlite") as db:
        db.execute("UPDATE held SET forks = forks - 10000000")
    db.close()
    manager.start()
    assert user(manager) == {"unknown": "reads-interrupted"}


READ_BY_MANY = """
import os, sys
for _ in range(int(sys.argv[1])):
    if os.fork() == 0:
        for name in sys.argv[2:]:
            os.close(os.open(name, os.O_RDONLY))
        os._exit(0)
    os.wait()
"""


def test_a_queue_that_ran_over_meanwhile_is_a_gap(manager: ServiceManager, tmp_path: Path) -> None:
    names = [tag(manager, tmp_path / "tagged" / f"{number}.csv") for number in range(600)]
    quiet(tmp_path)
    manager.kill()
    most = int(Path("/proc/sys/fs/fanotify/max_queued_events").read_text())
    subprocess.run([sys.executable, "-Sc", READ_BY_MANY, str(most // len(names) + 2), *names], check=True)
    manager.start()
    (gap,) = manager.asked("status")["gaps"]
    assert gap["cause"] == "reads-interrupted"


def test_without_room_in_the_store_it_is_as_without_a_store(tmp_path: Path) -> None:
    (tmp_path / "tagged").mkdir()
    manager = ServiceManager(tmp_path, holds=False)
    manager.start()
    tag(manager, tmp_path / "tagged" / "lot.csv")
    quiet(tmp_path)
    manager.kill()
    manager.start()
    assert user(manager) == {"unknown": "reads-interrupted"}
    assert user(manager, STRANGER) is False, "who had no process at the end of a short gap"
    manager.close()


def test_only_what_is_a_group_that_names_processes_is_taken_over(tmp_path: Path) -> None:
    with (tmp_path / "no-group").open("wb") as file, pytest.raises(OSError, match="Bad file descriptor"):
        Fanotify(file.fileno())


def test_groups_that_nobody_kept_account_of_are_let_go() -> None:
    number = os.dup(0)
    assert Handover(None, [(PREFIX + "1", number)]).take(None) is None
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(number)


def test_what_is_handed_to_another_process_is_left_alone() -> None:
    environment = {"LISTEN_PID": "1", "LISTEN_FDS": "1", "LISTEN_FDNAMES": PREFIX, "NOTIFY_SOCKET": "/run/x"}
    assert handed_over(environment) == []
    assert isinstance(descriptor_store(environment), DescriptorStore)
    assert environment == {}, "no child speaks for the service"
    assert descriptor_store({"NOTIFY_SOCKET": "vsock:2:1234"}) is None


def test_a_manager_that_is_gone_leaves_nothing_to_rely_on() -> None:
    group = Fanotify()
    handover = Handover(DescriptorStore("/nonexistent/notify"))
    handover.give(group)
    assert handover.held is None
    group.close()


def test_numbers_come_again_only_after_all_others() -> None:
    assert unrepeated(forks())
    assert not unrepeated(forks() - 10_000_000)
    assert not unrepeated(forks() + 1000), "the machine was started anew"
    assert not unrepeated(0, "/nonexistent")
