"""What processes cost: CPU seconds and resident memory, read from /proc."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

import psutil


def family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    parent = psutil.Process(pid)
    return [pid, *(child.pid for child in parent.children(recursive=True))]


def cpu_seconds(pids: Iterable[int]) -> float:
    """User and system time of the processes so far."""
    total = 0.0
    for pid in pids:
        times = psutil.Process(pid).cpu_times()
        total += times.user + times.system
    return total


def resident_mib(pids: Iterable[int]) -> float:
    """Resident memory in MiB, added up."""
    return sum(psutil.Process(pid).memory_info().rss for pid in pids) / (1 << 20)


def busy_share(pids: Sequence[int], seconds: float) -> float:
    """The share of one core that the processes took while so many seconds passed."""
    before, began = cpu_seconds(pids), time.monotonic()
    time.sleep(seconds)
    return (cpu_seconds(pids) - before) / (time.monotonic() - began)
