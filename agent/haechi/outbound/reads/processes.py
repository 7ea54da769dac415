"""What ``/proc`` says of a process: its users, and whom it descends from. It must not know files or sockets."""

from __future__ import annotations

import datetime as dt
import errno
import os
from collections.abc import Iterable

from haechi.domain.actor import Actor
from haechi.domain.facts import Known, Unknown
from haechi.domain.reads import ROOT, SHORT, Line, ProcessId
from haechi.outbound.index.names import spelled

DEEPEST = 64
"""Ancestors that are followed; no ordinary session is as deep."""
NOBODY = 0xFFFFFFFF
"""The login user of what no login began."""


def line_of(pid: int, proc: str = "/proc") -> Line | Unknown:
    """The process as it is now, and its ancestors up to the first process, which is everybody's.

    Whose those are counts too: who logged in is not known in a container, or on a kernel without audit, and what is
    begun by ``sudo`` or in a user namespace is then told by the shell that it came from. Root is left out, because
    everything descends from some process of root.
    """
    fields = _stat(proc, pid)
    if fields is None:
        return Unknown("process-ended")
    users = _users(proc, pid)
    if not users:
        return Unknown("process-ended")
    processes: list[ProcessId] = [(pid, int(fields[19]))]
    parent = int(fields[1])
    while parent > 1 and len(processes) < DEEPEST:
        fields = _stat(proc, parent)
        if fields is None:
            break
        processes.append((parent, int(fields[19])))
        users |= _owner(proc, parent)
        parent = int(fields[1])
    return Line(users, tuple(processes), _executable(proc, pid))


def uploader(actor: Actor) -> Line | Unknown:
    """The line of the process that uploads, if it is still the one that was found."""
    pid: Known[int] = actor.pid
    if isinstance(pid, Unknown):
        return pid
    line = line_of(pid)
    if isinstance(line, Line) and not isinstance(actor.started, Unknown) and line.processes[0][1] != actor.started:
        return Unknown("process-ended")
    return line


def ended(processes: Iterable[ProcessId], proc: str = "/proc") -> list[ProcessId]:
    """Those of which the number is free, and so certainly ended."""
    return [one for one in processes if not os.path.exists(f"{proc}/{one[0]}")]  # noqa: PTH110 - of many thousands


def forks(proc: str = "/proc") -> int:
    """How many processes and threads were begun since boot. Raises ``OSError``."""
    with open(f"{proc}/stat", encoding="ascii") as file:  # noqa: PTH123
        for line in file:
            if line.startswith("processes "):
                return int(line.split()[1])
    raise OSError(errno.ENODATA, os.strerror(errno.ENODATA), f"{proc}/stat")


def unrepeated(since: int, proc: str = "/proc") -> bool:
    """Whether no number of a process was given out twice since ``forks`` was that: they are given out in turn, so that
    one comes again only once all that are free were used.
    """
    try:
        with open(f"{proc}/sys/kernel/pid_max", encoding="ascii") as file:  # noqa: PTH123
            numbers = int(file.read())
        return 0 <= forks(proc) - since < numbers // 2
    except (OSError, ValueError):
        return False


def present(proc: str = "/proc") -> frozenset[int]:
    """Every user that has a process now."""
    users: set[int] = set()
    for name in os.listdir(proc):  # noqa: PTH208 - names are all that is wanted
        if name.isdigit():
            users |= _users(proc, int(name))
    return frozenset(users)


def there(begin: dt.datetime, end: dt.datetime) -> frozenset[int] | None:
    """Who may have read something in a gap that ends now; None for anybody."""
    if end - begin > SHORT:
        return None
    try:
        return present()
    except OSError:
        return None


def _users(proc: str, pid: int) -> frozenset[int]:
    """Real, effective and saved user, and who logged in; empty where the process is gone."""
    users: set[int] = set()
    try:
        with open(f"{proc}/{pid}/status", encoding="utf-8", errors="replace") as file:  # noqa: PTH123
            for line in file:
                if line.startswith("Uid:"):
                    users |= {int(number) for number in line.split()[1:4]}
                    break
    except (OSError, ValueError):
        return frozenset()
    try:
        with open(f"{proc}/{pid}/loginuid", encoding="utf-8") as file:  # noqa: PTH123
            login = int(file.read())
    except (OSError, ValueError):
        login = NOBODY
    return frozenset(users if login == NOBODY else {*users, login})


def _owner(proc: str, pid: int) -> frozenset[int]:
    """Whom a process runs as; empty for root, and where it is gone."""
    try:
        owner = os.stat(f"{proc}/{pid}").st_uid  # noqa: PTH116
    except OSError:
        return frozenset()
    return frozenset() if owner == ROOT else frozenset([owner])


def _executable(proc: str, pid: int) -> Known[str]:
    try:
        return spelled(os.readlink(f"{proc}/{pid}/exe"))  # noqa: PTH115 - its bytes need not be text
    except PermissionError:
        return Unknown("access-denied")
    except OSError:
        return Unknown("process-ended")


def _stat(proc: str, pid: int) -> list[str] | None:
    """The fields after the name, which may hold spaces and brackets itself: state, parent, …, start (the 20th)."""
    try:
        with open(f"{proc}/{pid}/stat", encoding="utf-8", errors="replace") as file:  # noqa: PTH123
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return None
    return fields if len(fields) > 19 else None
