"""What processes cost: CPU seconds and resident memory, read from /proc."""

from __future__ import annotations

import os
from collections.abc import Iterable

import psutil

TICKS = os.sysconf("SC_CLK_TCK")


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
