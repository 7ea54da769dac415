"""Stops a process as SIGSTOP does, and returns only when it stands still.

``kill`` returns when the signal is pending: each thread stops when it next comes back from the kernel, and a thread on
another core may answer a request before it does. Who relies on the stop has to see every thread stopped.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

GIVE_UP_S = 30.0
STOPPED = frozenset("TtZX")
"""States of /proc/PID/task/TID/stat in which a thread runs no more: stopped, traced, ended (proc(5))."""


def stop(pid: int) -> None:
    """Send SIGSTOP and wait until every thread of the process has stopped. SIGCONT lets it go on."""
    os.kill(pid, signal.SIGSTOP)
    until = time.monotonic() + GIVE_UP_S
    while not (states := states_of(pid)) <= STOPPED:
        assert time.monotonic() < until, f"process {pid} did not stop in {GIVE_UP_S} s: {sorted(states)}"
        time.sleep(0.002)


def states_of(pid: int) -> frozenset[str]:
    """The states of a process's threads, one letter each; none where the process is gone."""
    found = set()
    for stat in Path(f"/proc/{pid}/task").glob("*/stat"):
        try:
            # The second field is the name in parentheses, which may hold anything.
            found.add(stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[0])
        except (FileNotFoundError, ProcessLookupError):  # a thread that ended
            continue
    return frozenset(found)
