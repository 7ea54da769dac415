"""Attribution across users: the agent as root sees all, and as nobody it still learns the user."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from haechi.domain.actor import Certainty
from haechi.outbound.actors import SocketActors
from haechi.outbound.clock import SystemClock

pytestmark = pytest.mark.root
NOBODY = 65534
CONNECT = """
use IO::Socket::INET;
my $made = IO::Socket::INET->new(PeerAddr => $ARGV[0], PeerPort => $ARGV[1]) or die;
$| = 1;
print $made->sockport, qq(\\n);
<STDIN>;
"""
ATTRIBUTE = """
import json, os, sys
sys.path[:0] = json.loads(sys.argv[2])
from haechi.outbound.actors import SocketActors
from haechi.outbound.clock import SystemClock
class Counts:
    def count(self, *a, **k): ...
    def observe(self, *a, **k): ...
os.setgroups([]); os.setgid(65534); os.setuid(65534)
actor = SocketActors(SystemClock(), Counts()).of("127.0.0.1", int(sys.argv[1]))
print(json.dumps(actor.as_json()))
"""


class Counts:
    def count(self, name: str, /, amount: int = 1, **labels: str) -> None: ...

    def observe(self, name: str, seconds: float, /, **labels: str) -> None: ...


def test_root_names_another_users_process() -> None:
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        process = subprocess.Popen(
            ["perl", "-e", CONNECT, "127.0.0.1", str(listener.getsockname()[1])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            user=NOBODY,
            group=NOBODY,
            extra_groups=[],
        )
        try:
            actor = SocketActors(SystemClock(), Counts()).of("127.0.0.1", int(process.stdout.readline()))
        finally:
            process.stdin.close()
            process.wait(10)
            process.stdout.close()
    assert (actor.certainty, actor.uid, actor.user, actor.pid) == (Certainty.EXACT, NOBODY, "nobody", process.pid)
    assert Path(str(actor.executable)).name.startswith("perl")


def test_an_agent_without_rights_still_learns_whose_the_connection_is() -> None:
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        with closing(socket.create_connection(listener.getsockname())) as mine:
            told = subprocess.run(
                [sys.executable, "-c", ATTRIBUTE, str(mine.getsockname()[1]), json.dumps(sys.path)],
                capture_output=True,
                text=True,
                timeout=30,
                check=True,
            )
    actor = json.loads(told.stdout)
    assert (actor["certainty"], actor["user"], actor["pid"]) == ("user_only", "root", {"unknown": "no-process"})
