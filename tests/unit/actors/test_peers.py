"""Who asks over a Unix socket: the kernel's number, looked up while the process is there."""

from __future__ import annotations

import os
import subprocess
import sys

from haechi.domain.actor import Certainty
from haechi.domain.facts import Unknown
from haechi.outbound.actors.peers import PeerActors
from haechi.outbound.clock import SystemClock


def test_a_process_that_is_there_is_named_with_its_executable() -> None:
    actor = PeerActors(SystemClock())(os.getpid(), os.getuid())
    assert (actor.pid, actor.uid, actor.certainty) == (os.getpid(), os.getuid(), Certainty.EXACT)
    assert actor.executable == os.path.realpath(sys.executable)
    assert not isinstance(actor.started, Unknown)


def test_of_a_process_that_has_ended_the_user_is_left() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    actor = PeerActors(SystemClock())(ended.pid, os.getuid())
    assert (actor.uid, actor.pid, actor.certainty) == (os.getuid(), Unknown("process-ended"), Certainty.USER_ONLY)


def test_a_process_of_another_namespace_has_no_number_here() -> None:
    actor = PeerActors(SystemClock())(0, 4_000_000_000)
    assert (actor.user, actor.pid) == (Unknown("no-such-user"), Unknown("other-namespace"))
