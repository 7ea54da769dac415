"""The agent is killed while a service manager holds what sees reads: the next agent has missed nothing.

The agent, the kernel's group, the reader and the store are real; the manager is a stand-in that speaks systemd's
protocol, and hands over what it holds to whatever starts the agent.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.in_time import back
from tests.e2e.s3_lab import TAGGED_SIZE, World
from tests.e2e.test_reads import RULES, encrypted, reads, sent, started
from tests.lab import Laboratory
from tests.stores import OURS, MotoStore, build_landscape
from tests.unit.reads.service_manager import ServiceManager
from tests.unit.reads.test_handover import privileged

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not privileged(), reason="the kernel names processes to CAP_SYS_ADMIN alone"),
]
STARTER = """
import fcntl, os, socket, sys
notify, hands = sys.argv[1:3]
with socket.socket(socket.AF_UNIX) as asked:
    asked.connect(hands)
    names, held, *_ = socket.recv_fds(asked, 4096, 16)
held = [fcntl.fcntl(number, fcntl.F_DUPFD, 100) for number in held]
for place, number in enumerate(held):
    os.dup2(number, 3 + place)
os.environ |= {"NOTIFY_SOCKET": notify, "LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(held)),
    "LISTEN_FDNAMES": names.decode().strip()}
os.execv(sys.executable, [sys.executable, *sys.argv[3:]])
"""


class Hands:
    """Gives what the manager holds to whoever asks for it."""

    def __init__(self, folder: Path, manager: ServiceManager) -> None:
        self.address = str(folder / "hands")
        self._manager = manager
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(self.address)
        self._socket.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                asked, _ = self._socket.accept()
            except OSError:
                return
            with asked:
                self._manager.listen()
                names = ":".join(name for name, _ in self._manager.held) + "\n"
                socket.send_fds(asked, [names.encode()], [number for _, number in self._manager.held])

    def close(self) -> None:
        """Give nothing any more."""
        self._socket.close()


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("manager")
    manager = ServiceManager(folder)
    hands = Hands(folder, manager)
    launcher = (sys.executable, "-c", STARTER, str(folder / "notify"), hands.address)
    with MotoStore() as store, Laboratory(store=store, launcher=launcher) as lab:
        land = build_landscape(store)
        lab.institution.publish(accounts=[OURS.id], keys=[land.seoul_key])
        lab.configure()
        (lab.work / "lot.recipe").write_bytes(os.urandom(TAGGED_SIZE))
        (lab.work / "holiday.jpg").write_bytes(os.urandom(TAGGED_SIZE))
        (lab.work / ".haechi.yaml").write_text(RULES)
        made = World(store, store, land, lab, b"", b"", b"")
        started(made)
        yield made
    hands.close()
    manager.close()


def killed(at: World) -> None:
    taken = at.lab.folder / "state" / "reads.taken"
    back(lambda: "" if reads(at)["held"] and taken.read_bytes() == b"0" else reads(at), "to have everything written")
    at.lab.kill()


def test_a_killed_agent_leaves_nobody_unknown_and_misses_nothing(at: World, tmp_path: Path) -> None:
    work = at.lab.work
    harmless = encrypted(work / "holiday.jpg", tmp_path / "holiday.enc")
    killed(at)
    started(at)
    assert sent(at, "after-the-first", harmless) == ""
    assert reads(at)["gaps"] == []

    killed(at)
    secret = subprocess.Popen(
        ["openssl", "enc", "-aes-256-cbc", "-pbkdf2", "-pass", "stdin", "-in", work / "lot.recipe"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    # It opens the file before it asks for the password, and is there when the next agent asks whose it is.
    back(lambda: "" if (work / "lot.recipe").as_posix() in opened(secret.pid) else "not yet", "to open the file")
    started(at)
    disguised, _ = secret.communicate(b"synthetic\n")
    assert "opened tagged content" in sent(at, "read-meanwhile", disguised)
    assert at.decided("read-meanwhile")["input"]["reads"]["latest"]["file"] == str(work / "lot.recipe")


def opened(pid: int) -> list[str]:
    return [os.readlink(name) for name in Path(f"/proc/{pid}/fd").iterdir()]
