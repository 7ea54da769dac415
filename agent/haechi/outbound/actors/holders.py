"""Which processes hold a socket, by the descriptors in ``/proc``. It must not know the network.

Theory. Listing every process's descriptors costs some 10 µs each, too much to do for every connection. A socket gets to
a second process by fork in practice, so: find one holder, looking first where sockets were held before and at young
processes; then look at its parents, and at the children of those that hold it. A socket handed over a Unix socket to
a stranger is not noticed.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from haechi.domain.facts import Known, Unknown
from haechi.outbound.actors.scripts import Scripts
from haechi.outbound.index.names import spelled

REMEMBERED = 64
MOST_RELATIVES = 256


@dataclass(frozen=True, slots=True)
class Process:
    """One process as it was while it held the socket. ``started`` is in clock ticks since boot; ``script`` is what it
    says that it runs, where it is an interpreter.
    """

    pid: int
    started: int
    executable: Known[str]
    script: str = ""


class SocketHolders:
    """Looks for holders. Processes that this process may not look into are passed over."""

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = str(proc)
        self._scripts = Scripts(proc)
        self._recent: OrderedDict[int, None] = OrderedDict()

    def of(self, inode: int, uid: int) -> tuple[Process, ...]:
        """The holders found: none, one, or several relatives."""
        target = f"socket:[{inode}]"
        for pid in self._candidates(uid):
            first = self._holder(pid, target)
            if first is not None:
                self._remember(pid)
                return (first, *self._relatives(first.pid, target))
        return ()

    def process(self, pid: int) -> Process | None:
        """One process by its number; None where it is gone."""
        return self._seen(pid, lambda: True)

    def _candidates(self, uid: int) -> Iterator[int]:
        """Recent holders, then the user's processes, youngest first, then all others."""
        yield from tuple(reversed(self._recent))
        others = []
        for pid in sorted((int(name) for name in os.listdir(self._proc) if name.isdigit()), reverse=True):  # noqa: PTH208
            if pid in self._recent:
                continue
            try:
                owner = os.stat(f"{self._proc}/{pid}").st_uid  # noqa: PTH116 — a path object costs more than the call
            except OSError:
                continue
            if owner == uid:
                yield pid
            else:
                others.append(pid)
        yield from others

    def _holder(self, pid: int, target: str) -> Process | None:
        """The process, when it holds the socket and is the same before and after the look."""
        return self._seen(pid, lambda: self._holds(pid, target))

    def _seen(self, pid: int, wanted: Callable[[], bool]) -> Process | None:
        started = self._started(pid)
        if started is None:
            self._recent.pop(pid, None)
            return None
        if not wanted():
            return None
        executable: Known[str]
        script = ""
        try:
            # Its bytes need not be text, and the policy's input is: else no verdict could be made at all.
            executable = spelled(os.readlink(f"{self._proc}/{pid}/exe"))  # noqa: PTH115
            script = self._scripts.of(pid, executable)
        except PermissionError:
            executable = Unknown("access-denied")
        except OSError:
            executable = Unknown("process-ended")
        return Process(pid, started, executable, script) if self._started(pid) == started else None

    def _holds(self, pid: int, target: str) -> bool:
        folder = f"{self._proc}/{pid}/fd"
        try:
            # The highest descriptor is the youngest in most programs.
            for descriptor in reversed(os.listdir(folder)):  # noqa: PTH208
                try:
                    if os.readlink(f"{folder}/{descriptor}") == target:  # noqa: PTH115
                        return True
                except OSError:
                    continue
        except OSError:
            return False
        return False

    def _relatives(self, pid: int, target: str) -> Iterator[Process]:
        """Other holders among the parents that hold it too, and all that descend from the eldest of them."""
        eldest, seen = pid, {pid}
        while (parent := self._parent(eldest)) > 1:
            held = self._holder(parent, target)
            seen.add(parent)
            if held is None:
                break
            yield held
            eldest = parent
        waiting = [pid, *([eldest] if eldest != pid else [])]
        while waiting and len(seen) < MOST_RELATIVES:
            for child in self._children(waiting.pop()):
                if child in seen:
                    continue
                seen.add(child)
                held = self._holder(child, target)
                if held is not None:
                    yield held
                    waiting.append(child)

    def _children(self, pid: int) -> tuple[int, ...]:
        found: list[int] = []
        try:
            for thread in os.listdir(f"{self._proc}/{pid}/task"):  # noqa: PTH208
                with open(f"{self._proc}/{pid}/task/{thread}/children", encoding="ascii") as file:  # noqa: PTH123
                    found += map(int, file.read().split())
        except OSError:
            return tuple(found)
        return tuple(found)

    def _parent(self, pid: int) -> int:
        fields = self._stat(pid)
        return int(fields[1]) if fields else 0

    def _started(self, pid: int) -> int | None:
        fields = self._stat(pid)
        return int(fields[19]) if fields else None

    def _stat(self, pid: int) -> list[str]:
        """The fields of ``/proc/PID/stat`` after the name, which may hold spaces and brackets itself."""
        try:
            with open(f"{self._proc}/{pid}/stat", encoding="utf-8", errors="replace") as file:  # noqa: PTH123
                return file.read().rpartition(")")[2].split()
        except OSError:
            return []

    def _remember(self, pid: int) -> None:
        self._recent[pid] = None
        self._recent.move_to_end(pid)
        while len(self._recent) > REMEMBERED:
            self._recent.popitem(last=False)
