"""Attribution with real sockets and real processes."""

from __future__ import annotations

import getpass
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from haechi.domain.actor import Certainty
from haechi.domain.facts import Unknown
from haechi.outbound.actors import SocketActors
from haechi.outbound.actors.holders import SocketHolders
from haechi.outbound.actors.sockets import HeldSocket, KernelSockets, plain
from haechi.outbound.clock import SystemClock

CONNECT = """
import os, socket, sys, time
made = socket.create_connection((sys.argv[1], int(sys.argv[2])))
print(made.getsockname()[1], flush=True)
if sys.argv[3] == "fork" and os.fork() == 0:
    pass
print("ready", flush=True)
sys.stdin.read()
"""


class Counts:
    def __init__(self) -> None:
        self.of: Counter[str] = Counter()

    def count(self, name: str, /, amount: int = 1, **labels: str) -> None:
        self.of[":".join([name, *labels.values()])] += amount

    def observe(self, name: str, seconds: float, /, **labels: str) -> None: ...


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


@pytest.fixture
def actors(stack: ExitStack) -> SocketActors:
    made = SocketActors(SystemClock(), Counts())
    stack.callback(made.close)
    return made


@pytest.fixture(params=["127.0.0.1", "::1"])
def listener(request: pytest.FixtureRequest, stack: ExitStack) -> socket.socket:
    return listen(stack, request.param)


def listen(stack: ExitStack, address: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    made = stack.enter_context(closing(socket.socket(family)))
    made.bind((address, 0))
    made.listen(64)
    return made


def client(stack: ExitStack, listener: socket.socket, how: str = "alone") -> tuple[subprocess.Popen[str], int]:
    """A process with one connection; its own port."""
    address, port = listener.getsockname()[:2]
    process = subprocess.Popen(
        [sys.executable, "-c", CONNECT, address, str(port), how],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    stack.callback(process.wait, 10)
    stack.callback(process.stdin.close)
    own = int(process.stdout.readline())
    process.stdout.readline()
    if how == "fork":
        process.stdout.readline()
    stack.callback(process.stdout.close)
    return process, own


def test_a_connection_leads_to_its_process(stack: ExitStack, listener: socket.socket, actors: SocketActors) -> None:
    process, port = client(stack, listener)
    actor = actors.of(listener.getsockname()[0], port)
    assert actor.certainty is Certainty.EXACT
    assert (actor.pid, actor.uid, actor.user) == (process.pid, os.getuid(), getpass.getuser())
    assert actor.executable == str(Path(sys.executable).resolve())
    assert actor.started == int(Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[19])
    assert actor.method == "sock_diag-list, proc-fd"


def test_with_the_listener_known_the_question_is_exact(stack: ExitStack, listener: socket.socket) -> None:
    process, port = client(stack, listener)
    actors = SocketActors(SystemClock(), Counts(), listeners=lambda: [listener.getsockname()[:2]])
    stack.callback(actors.close)
    actor = actors.of(listener.getsockname()[0], port)
    assert (actor.pid, actor.method) == (process.pid, "sock_diag, proc-fd")


@pytest.mark.parametrize("known", [True, False], ids=["exact", "listed"])
def test_an_ipv4_connection_of_an_ipv6_socket_is_found(stack: ExitStack, known: bool) -> None:
    listener = listen(stack, "127.0.0.1")
    made = stack.enter_context(closing(socket.socket(socket.AF_INET6)))
    made.connect(("::ffff:127.0.0.1", listener.getsockname()[1]))
    peers = [listener.getsockname()] if known else []
    actors = SocketActors(SystemClock(), Counts(), listeners=lambda: peers)
    stack.callback(actors.close)
    port = made.getsockname()[1]
    assert actors.of("127.0.0.1", port).pid == os.getpid()
    assert actors.of("::ffff:127.0.0.1", port).pid == os.getpid()


def test_without_netlink_the_tables_in_proc_lead_there_too(stack: ExitStack, listener: socket.socket) -> None:
    process, port = client(stack, listener)
    actors = SocketActors(SystemClock(), Counts(), sockets=KernelSockets(netlink=False))
    actor = actors.of(listener.getsockname()[0], port)
    assert (actor.pid, actor.method) == (process.pid, "proc-net-tcp, proc-fd")


def test_a_socket_shared_by_fork_names_no_single_process(
    stack: ExitStack, listener: socket.socket, actors: SocketActors
) -> None:
    _, port = client(stack, listener, "fork")
    actor = actors.of(listener.getsockname()[0], port)
    assert actor.certainty is Certainty.SHARED
    assert actor.pid == Unknown("shared")
    assert actor.uid == os.getuid()
    assert actor.executable == str(Path(sys.executable).resolve())


def test_a_holder_that_may_not_be_seen_leaves_the_user(
    stack: ExitStack, listener: socket.socket, tmp_path: Path
) -> None:
    _, port = client(stack, listener)
    actors = SocketActors(SystemClock(), Counts(), holders=SocketHolders(tmp_path))
    stack.callback(actors.close)
    actor = actors.of(listener.getsockname()[0], port)
    assert actor.certainty is Certainty.USER_ONLY
    assert actor.user == getpass.getuser()
    assert actor.pid == Unknown("no-process")


def test_a_program_whose_name_is_no_text_is_told_as_text(tmp_path: Path) -> None:
    """The policy's input is JSON: without that no verdict could be made, and the fail mode would answer."""
    (tmp_path / "7" / "fd").mkdir(parents=True)
    (tmp_path / "7" / "stat").write_text("7 (x) S " + " ".join(["1"] * 40))
    os.symlink("socket:[5]", tmp_path / "7" / "fd" / "3")
    os.symlink(b"/home/kim/\xb0\xa1", tmp_path / "7" / "exe")
    (held,) = SocketHolders(tmp_path).of(5, os.getuid())
    assert held.executable == "/home/kim/\\udcb0\\udca1"


def test_a_connection_that_is_gone_is_unknown(stack: ExitStack, actors: SocketActors) -> None:
    listener = listen(stack, "127.0.0.1")
    gone = socket.create_connection(listener.getsockname())
    port = gone.getsockname()[1]
    listener.accept()[0].close()
    gone.close()
    actor = actors.of("127.0.0.1", port)
    assert (actor.certainty, actor.user) == (Certainty.UNKNOWN, Unknown("no-socket"))


def test_an_address_that_is_not_this_machines_is_another_namespace(actors: SocketActors) -> None:
    actor = actors.of("198.51.100.7", 40000)
    assert (actor.certainty, actor.user, actor.pid) == (
        Certainty.UNKNOWN,
        Unknown("other-namespace"),
        Unknown("other-namespace"),
    )


@pytest.mark.parametrize("address", ["", "not an address", "127.0.0.1:80"])
def test_nonsense_never_raises(actors: SocketActors, address: str) -> None:
    assert actors.of(address, 1).certainty is Certainty.UNKNOWN


def test_one_port_toward_two_peers_names_the_user_only(stack: ExitStack, actors: SocketActors) -> None:
    one, two = listen(stack, "127.0.0.1"), listen(stack, "127.0.0.1")
    first = stack.enter_context(closing(socket.create_connection(one.getsockname())))
    second = stack.enter_context(closing(socket.socket()))
    first_port = first.getsockname()[1]
    second.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    fresh = stack.enter_context(closing(socket.socket()))
    fresh.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    fresh.bind(("127.0.0.1", 0))
    second.bind(fresh.getsockname())
    fresh.connect(one.getsockname())
    second.connect(two.getsockname())
    actor = actors.of("127.0.0.1", fresh.getsockname()[1])
    assert (actor.certainty, actor.pid, actor.uid) == (Certainty.USER_ONLY, Unknown("ambiguous"), os.getuid())
    assert actors.of("127.0.0.1", first_port).certainty is Certainty.EXACT


class CountedSockets(KernelSockets):
    def __init__(self, answers: Callable[[], tuple[HeldSocket, ...]]) -> None:
        super().__init__(netlink=False)
        self.answers, self.asked = answers, 0

    def find(self, address: str, port: int, peers: object = ()) -> tuple[HeldSocket, ...]:
        self.asked += 1
        return self.answers()


class HandClock(SystemClock):
    seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds


def held(inode: int) -> HeldSocket:
    return HeldSocket(inode, os.getuid(), (plain("127.0.0.1"), 1), "test")


def test_a_connection_is_looked_up_once_and_a_port_taken_over_is_noticed() -> None:
    inode, clock = [7], HandClock()
    sockets = CountedSockets(lambda: (held(inode[0]),))
    actors = SocketActors(clock, Counts(), sockets=sockets)
    first = actors.of("127.0.0.1", 1)
    assert actors.of("127.0.0.1", 1) is first
    assert sockets.asked == 1
    clock.seconds = 1.0
    assert actors.of("127.0.0.1", 1) is first
    clock.seconds, inode[0] = 2.0, 8
    assert actors.of("127.0.0.1", 1) is not first


def test_a_forgotten_connection_is_looked_up_anew() -> None:
    sockets = CountedSockets(lambda: (held(7),))
    actors = SocketActors(HandClock(), Counts(), sockets=sockets)
    actors.of("127.0.0.1", 1)
    actors.forget("127.0.0.1", 1)
    actors.of("127.0.0.1", 1)
    assert sockets.asked == 2


def test_what_is_remembered_is_bounded() -> None:
    sockets = CountedSockets(lambda: (held(7),))
    actors = SocketActors(HandClock(), Counts(), sockets=sockets, capacity=2)
    for port in (1, 2, 3, 1):
        actors.of("127.0.0.1", port)
    assert sockets.asked == 4


def test_a_kernel_that_cannot_be_asked_leaves_everything_unknown() -> None:
    def broken() -> tuple[HeldSocket, ...]:
        raise OSError(5, "input/output error")

    actor = SocketActors(HandClock(), Counts(), sockets=CountedSockets(broken)).of("127.0.0.1", 1)
    assert (actor.certainty, actor.uid) == (Certainty.UNKNOWN, Unknown("not-readable"))


def test_among_hundreds_of_processes_a_known_client_is_looked_for_in_a_few(
    stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    crowd = subprocess.Popen(["sh", "-c", "for n in $(seq 300); do sleep 60 & done; wait"], start_new_session=True)
    stack.callback(crowd.wait)
    stack.callback(os.killpg, crowd.pid, signal.SIGKILL)
    while len(Path(f"/proc/{crowd.pid}/task/{crowd.pid}/children").read_text().split()) < 300:
        time.sleep(0.05)
    listener = listen(stack, "127.0.0.1")
    actors = SocketActors(SystemClock(), Counts(), listeners=lambda: [listener.getsockname()])
    stack.callback(actors.close)
    looked: list[int] = []
    holds = SocketHolders._holds

    def counted(self: SocketHolders, pid: int, target: str) -> bool:
        looked.append(pid)
        return holds(self, pid, target)

    monkeypatch.setattr(SocketHolders, "_holds", counted)
    at_once = []
    for _ in range(5):
        with closing(socket.create_connection(listener.getsockname())) as made:
            looked.clear()
            assert actors.of(*made.getsockname()).pid == os.getpid()
            at_once.append(len(looked))
    own = len(Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split())
    parents_and_itself = 5
    assert max(at_once[1:]) <= own + parents_and_itself, at_once
