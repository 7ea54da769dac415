"""Where the time goes: CPU seconds by process and thread, and the functions of the agent's own thread.

Each kind of work runs twice on an agent of its own. First as it is: the kernel's accounts of every thread of agent,
engine worker and Envoy. Then under cProfile, which sees the thread that judges (others belong to gRPC and to waiting)
and slows it, so that only the shares of its functions mean something, not their seconds.
"""

from __future__ import annotations

import os
import pstats
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench import ends, processes

FUNCTIONS = 14
PROFILED = Path(__file__).with_name("profiled.py")


@dataclass(frozen=True, slots=True)
class Work:
    """One kind of work. ``tagged``: whether the machine protects anything, so that bodies are inspected."""

    title: str
    tagged: bool
    how: Mapping[str, int]


WORKS = (
    Work("1 GiB, inspected", True, {"size": ends.GIB, "count": 1}),
    Work("1 GiB, not inspected", False, {"size": ends.GIB, "count": 1}),
    Work("4 KiB, 5,000 times over 32 connections", True, {"size": 4096, "count": 5000, "connections": 32, "warm": 5}),
)


def write(file: Path, machine: str) -> None:
    """Measure everything and keep it in ``file``."""
    parts = [f"Measured on {machine}. Made by bench/run.py --profile; see docs/benchmarks.md."]
    for work in WORKS:
        print(f"  {work.title} …", flush=True)
        parts += [f"\n== {work.title}", by_thread(work), by_function(work)]
    file.write_text("\n".join(parts) + "\n", encoding="utf-8")
    print(file.read_text(encoding="utf-8"))


def by_thread(work: Work) -> str:
    """CPU seconds of each thread while the work was done, the largest first."""
    spent: Counter[str] = Counter()

    def account(pid: int, do: Callable[[], object]) -> None:
        before = threads(pid)
        do()
        spent.update({name: used - before[name] for name, used in threads(pid).items()})

    done(work, account)
    total = sum(spent.values())
    lines = [f"{used:8.2f} s  {used / total:5.1%}  {name}" for name, used in spent.most_common() if used > total / 200]
    return "\n".join([f"CPU by process and thread, {total:.2f} s:", *lines])


def by_function(work: Work) -> str:
    """The functions of the thread that judges, by their own time."""
    with tempfile.TemporaryDirectory(prefix="haechi-bench-") as folder:
        found = Path(folder, "profile")

        def profiled(pid: int, do: Callable[[], object]) -> None:
            os.kill(pid, signal.SIGUSR1)
            do()
            os.kill(pid, signal.SIGUSR2)

        done(work, profiled, (sys.executable, str(PROFILED), str(found)))
        stats = pstats.Stats(str(found)).strip_dirs().stats  # type: ignore[attr-defined]
    skipped = ("epoll", "select.poll")  # waiting is no work
    entries = [
        (own, calls, name if file == "~" else f"{file}:{line} {name}")
        for (file, line, name), (_, calls, own, _, _) in stats.items()
        if not any(word in name for word in skipped)
    ]
    total = sum(own for own, _, _ in entries)
    lines = [f"  {own / total:5.1%}  {calls:8} ×  {name}" for own, calls, name in sorted(entries, reverse=True)]
    return "\n".join(["\nthe thread that judges, by functions' own time under cProfile:", *lines[:FUNCTIONS]])


def done(
    work: Work, around: Callable[[int, Callable[[], object]], None], launcher: tuple[str, ...] = (sys.executable,)
) -> None:
    """Do the work once on a new agent that is warm, inside ``around(pid, do)``; the agent has ended afterwards."""
    from bench.run import agent, ends_and_store

    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="haechi-bench-")))
        port, store, _ = stack.enter_context(ends_and_store(folder))
        way, lab = stack.enter_context(agent(store, port, tagged=work.tagged, launcher=launcher))
        way.put(size=1 << 20, count=2)
        around(lab.pid, lambda: way.put(**work.how))


def threads(pid: int) -> Counter[str]:
    """CPU seconds so far by ``process: thread``, of a process and its descendants."""
    spent: Counter[str] = Counter()
    for one in processes.family(pid):
        process = psutil.Process(one)
        what = "agent" if one == pid else "engine worker" if "engine.worker" in process.cmdline() else process.name()
        for thread in process.threads():
            name = Path(f"/proc/{one}/task/{thread.id}/comm").read_text(encoding="utf-8").strip()
            kind = "the thread that judges" if what == "agent" and thread.id == one else name
            spent[f"{what}: {kind}"] += thread.user_time + thread.system_time
    return spent
