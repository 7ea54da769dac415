"""The actor behind a client's connection: socket, then user, then process. Never raises.

What is not found stays unknown with its cause: ``no-socket`` (the connection is gone), ``other-namespace`` (the address
is not this machine's own: a container or a virtual machine), ``no-process`` (nobody that this agent may look at holds
it), ``ambiguous`` (one port toward several peers, by several users).
"""

from __future__ import annotations

import pwd
import socket
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from haechi.domain.actor import Actor, Certainty
from haechi.domain.facts import Known, Unknown
from haechi.outbound.actors.holders import Process, SocketHolders
from haechi.outbound.actors.sockets import Endpoint, HeldSocket, KernelSockets, plain
from haechi.ports.clock import Clock
from haechi.ports.metrics import Metrics

CAPACITY = 4096
TRUSTED_SECONDS = 0.5
log = structlog.get_logger(__name__)


def no_listeners() -> Sequence[Endpoint]:
    """Nothing is known of where clients connect to."""
    return ()


@dataclass(slots=True)
class _Remembered:
    actor: Actor
    inodes: tuple[int, ...]
    at: float


class SocketActors:
    """Implements ``haechi.ports.actors.Actors``.

    ``listeners`` gives the addresses and ports that clients connect to (the proxy's own), so that most questions are
    exact ones. Connections are remembered until ``forget``, at most ``capacity`` of them. A data path may not notice
    that a connection ended and its port was taken by another process, so what is older than ``trusted`` seconds is
    held against the kernel's socket before it is told again.
    """

    def __init__(
        self,
        clock: Clock,
        metrics: Metrics,
        *,
        listeners: Callable[[], Sequence[Endpoint]] = no_listeners,
        sockets: KernelSockets | None = None,
        holders: SocketHolders | None = None,
        capacity: int = CAPACITY,
        trusted: float = TRUSTED_SECONDS,
    ) -> None:
        self._clock, self._metrics, self._listeners = clock, metrics, listeners
        self._capacity, self._trusted = capacity, trusted
        self._sockets = sockets or KernelSockets()
        self._holders = holders or SocketHolders()
        self._known: OrderedDict[Endpoint, _Remembered] = OrderedDict()
        self._names: dict[int, Known[str]] = {}
        self._lock = threading.Lock()

    def of(self, address: str, port: int) -> Actor:
        """The actor behind a client's TCP address; looked up once a connection."""
        with self._lock:
            known = self._known.get((address, port))
            now = self._clock.monotonic()
            if known is not None and now - known.at < self._trusted:
                self._known.move_to_end((address, port))
                return known.actor
            found = self._find(address, port)
            if known is not None and not isinstance(found, Unknown) and _inodes(found) == known.inodes:
                known.at = now
                return known.actor
            actor = self._look_up(address, found)
            self._metrics.count("haechi_actor_lookups_total", certainty=actor.certainty.value)
            self._known[address, port] = _Remembered(actor, _inodes(found), now)
            self._known.move_to_end((address, port))
            while len(self._known) > self._capacity:
                self._known.popitem(last=False)
            return actor

    def forget(self, address: str, port: int) -> None:
        """The connection ended."""
        with self._lock:
            self._known.pop((address, port), None)

    def close(self) -> None:
        """Let go of the kernel's socket."""
        self._sockets.close()

    def _find(self, address: str, port: int) -> tuple[HeldSocket, ...] | Unknown:
        try:
            return self._sockets.find(address, port, self._listeners())
        except Exception as error:  # an adapter's edge: whoever asks must get an actor, if an unknown one
            log.warning("actor.socket-not-found", error=type(error).__name__)
            return Unknown("not-readable")

    def _look_up(self, address: str, found: tuple[HeldSocket, ...] | Unknown) -> Actor:
        if isinstance(found, Unknown):
            return _unknown(found.cause)
        if not found:
            return _unknown("no-socket" if _is_here(address) else "other-namespace")
        uids = {held.uid for held in found}
        if len(uids) > 1:
            return _unknown("ambiguous")
        if len(found) > 1:
            return self._user_only(found[0], "ambiguous")
        try:
            processes = self._holders.of(found[0].inode, found[0].uid) if found[0].inode else ()
        except Exception as error:  # an adapter's edge: processes come and go while they are looked at
            log.warning("actor.process-not-found", error=type(error).__name__)
            processes = ()
        return self._actor(found[0], processes)

    def _actor(self, held: HeldSocket, processes: Sequence[Process]) -> Actor:
        if not processes:
            return self._user_only(held, "no-process")
        method = f"{held.method}, proc-fd"
        user, first = self._name(held.uid), processes[0]
        if len(processes) == 1:
            return Actor(
                user, held.uid, first.pid, first.executable, first.started, method, Certainty.EXACT, first.script
            )
        executables = {process.executable for process in processes}
        shared = Unknown("shared")
        executable = first.executable if len(executables) == 1 else shared
        scripts = {process.script for process in processes}
        script = first.script if len(scripts) == 1 else ""
        return Actor(user, held.uid, shared, executable, shared, method, Certainty.SHARED, script)

    def _user_only(self, held: HeldSocket, why: str) -> Actor:
        missing = Unknown(why)
        user = self._name(held.uid)
        return Actor(user, held.uid, missing, missing, missing, held.method, Certainty.USER_ONLY)

    def _name(self, uid: int) -> Known[str]:
        name = self._names.get(uid)
        if name is None:
            try:
                name = pwd.getpwuid(uid).pw_name
            except (KeyError, OSError):
                return Unknown("no-such-user")
            self._names[uid] = name
        return name


def _inodes(found: tuple[HeldSocket, ...] | Unknown) -> tuple[int, ...]:
    return () if isinstance(found, Unknown) else tuple(held.inode for held in found)


def _unknown(cause: str) -> Actor:
    why = Unknown(cause)
    return Actor(why, why, why, why, why, "none", Certainty.UNKNOWN)


def _is_here(address: str) -> bool:
    """Whether this network namespace has the address."""
    try:
        own = plain(address)
        family = socket.AF_INET6 if own.version == 6 else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(own), 0))
    except (OSError, ValueError):
        return False
    return True
