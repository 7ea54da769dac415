"""A stopped process has stopped with all its threads, however busy they were."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.lab.stopping import STOPPED, states_of, stop

THREADS = 8
BUSY = f"""
import hashlib, threading
def count(at):
    while True:
        with open(at, "w") as file:
            file.write(str(hashlib.sha256(bytes(1 << 20)).digest()))
for number in range({THREADS}):
    threading.Thread(target=count, args=(f"counted-{{number}}",)).start()
print("counting", flush=True)
"""


@pytest.fixture
def busy(tmp_path: os.PathLike[str]) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", BUSY], cwd=tmp_path, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


def test_after_the_stop_no_thread_runs(busy: subprocess.Popen[bytes]) -> None:
    for _ in range(20):
        stop(busy.pid)
        states, used = states_of(busy.pid), cpu_of(busy.pid)
        assert states and states <= STOPPED
        hashlib.sha256(bytes(8 << 20)).digest()  # while this works, a thread that ran would use the processor
        assert cpu_of(busy.pid) == used
        busy.send_signal(signal.SIGCONT)


def test_a_process_that_is_gone_is_no_stop(busy: subprocess.Popen[bytes]) -> None:
    busy.kill()
    busy.wait()
    with pytest.raises(ProcessLookupError):
        stop(busy.pid)


def cpu_of(pid: int) -> list[str]:
    """User and system ticks of all threads together."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
        return stat.read().rpartition(")")[2].split()[11:13]
