"""The actor at the other end of a Unix socket, whom the kernel named with number and user. Never raises."""

from __future__ import annotations

import pwd
from collections import OrderedDict

import structlog

from haechi.domain.actor import Actor, Certainty
from haechi.domain.facts import Known, Unknown
from haechi.outbound.actors.holders import Process, SocketHolders
from haechi.ports.clock import Clock

METHOD = "so-peercred"
TRUSTED_SECONDS = 0.5
"""For how long a process that was looked at is taken to be as it was: a busy program asks often."""
CAPACITY = 1024
log = structlog.get_logger(__name__)


class PeerActors:
    """Looks up who asks. A process that has ended, or whose number means nothing here (another namespace), leaves the
    user alone.
    """

    def __init__(self, clock: Clock, holders: SocketHolders | None = None) -> None:
        self._clock, self._holders = clock, holders or SocketHolders()
        self._known: OrderedDict[tuple[int, int], tuple[float, Actor]] = OrderedDict()

    def __call__(self, pid: int, uid: int) -> Actor:
        """The actor that is process ``pid`` of user ``uid``."""
        now = self._clock.monotonic()
        known = self._known.get((pid, uid))
        if known is not None and now - known[0] < TRUSTED_SECONDS:
            return known[1]
        actor = self._look_up(pid, uid)
        self._known[pid, uid] = now, actor
        self._known.move_to_end((pid, uid))
        while len(self._known) > CAPACITY:
            self._known.popitem(last=False)
        return actor

    def _look_up(self, pid: int, uid: int) -> Actor:
        process = self._process(pid) if pid > 0 else None
        if process is None:
            missing = Unknown("process-ended" if pid > 0 else "other-namespace")
            return Actor(_name(uid), uid, missing, missing, missing, METHOD, Certainty.USER_ONLY)
        started, method = process.started, f"{METHOD}, proc"
        return Actor(_name(uid), uid, process.pid, process.executable, started, method, Certainty.EXACT, process.script)

    def _process(self, pid: int) -> Process | None:
        try:
            return self._holders.process(pid)
        except Exception as error:  # an adapter's edge: processes come and go while they are looked at
            log.warning("actor.process-not-found", error=type(error).__name__)
            return None


def _name(uid: int) -> Known[str]:
    try:
        return pwd.getpwuid(uid).pw_name
    except (KeyError, OSError):
        return Unknown("no-such-user")
