"""Judge tunnels whose names are in doubt, and count the others, which go through unseen.

Theory. A refusal is recorded before the connection closes, as every refusal. A client can open thousands of such
tunnels a second, and closing one is no loss to it: so of tunnels that are *alike* (same user, program, names and doubt)
the first within ``WINDOW_S`` is judged and recorded, the others get the same answer and are counted toward that record;
a second record (``tunnels-alike``) tells how many there were. Of unlike ones ``MOST`` are recorded singly within a
window; the rest share a record without names (``tunnels-crowded``). So a window brings at most 2 × ``MOST`` + 2
records, however many tunnels are opened. The second ones are written by the agent's own task (``settle``): a client
that breaks off in the middle of its question takes no count with it.

=====================  ==========================================  ================
tunnel                 answer                                      record
=====================  ==========================================  ================
first of its kind      the policy's (names that disagree)          durable, before
alike, same window     as the first                                counted
more than ``MOST``     as the mode says                            counted, the begin durable
honest                 never asked about                           totals, hourly
=====================  ==========================================  ================
"""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from haechi.app.assessing import Assessment, Assessor, Circumstances
from haechi.app.recording import SCHEMA, Judged, Recorder
from haechi.domain.actor import Actor
from haechi.domain.content import Content, ContentState
from haechi.domain.decision import Cause, Decision, Effect, Mode
from haechi.domain.errors import HaechiError
from haechi.domain.facts import JSON, Unknown
from haechi.domain.names import host_name
from haechi.domain.upload import Action, ActionKind, Location, Request
from haechi.ports.actors import Actors
from haechi.ports.clock import Clock
from haechi.ports.connector import RefusalText
from haechi.ports.judge import Connection
from haechi.ports.metrics import Metrics
from haechi.ports.tunnels import Doubt

WINDOW_S: Final = 60.0
MOST: Final = 32
UNTOLD: Final = 4 * (MOST + 1)
"""Records of windows that ended and are not written yet: what four windows can bring."""
TOTALS_EVERY_S: Final = 3600.0
LONGEST_NAME: Final = 255
"""Characters of a name that are kept; no host name is longer."""

_Kind = tuple[object, ...]


@dataclass(slots=True)
class _Seen:
    """The first of some tunnels that are alike, and how many followed."""

    decision: str
    effect: Effect
    names: dict[str, JSON]
    at: dt.datetime
    more: int = 0


@dataclass(slots=True)
class JudgeTunnels:
    """The use case, as ``haechi.ports.tunnels.Tunnels``."""

    assessor: Assessor
    actors: Actors
    recorder: Recorder
    compose: Callable[[Decision, Action, str], RefusalText]
    clock: Clock
    metrics: Metrics
    notify: Callable[[str], object] = lambda message: None
    _seen: dict[_Kind, _Seen] = field(default_factory=dict)
    _crowd: _Seen | None = None
    _untold: deque[Mapping[str, JSON]] = field(default_factory=deque)
    """Records of windows that ended, each until it is written. Only ``settle`` takes from it."""
    _opened: float = 0.0
    _totalled: float | None = None
    _counts: dict[str, int] = field(default_factory=lambda: {"passed": 0, "refused": 0, "observed": 0})
    _told: dict[str, int] = field(default_factory=lambda: {"passed": 0, "refused": 0, "observed": 0})
    _one: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def doubtful(self, connection: Connection, doubt: Doubt) -> bool:
        """As ``Tunnels``."""
        actor = self.actors.of(connection.address, connection.port)
        kind = (actor.uid, actor.executable, connection.connect, connection.sni, doubt)
        async with self._one:  # two that are alike must not both be the first
            self._turn()
            seen = self._seen.get(kind)
            if seen is not None:
                seen.more += 1
            elif len(self._seen) < MOST:
                seen = await self._first(connection, actor, doubt)
                self._seen[kind] = seen
            else:
                seen = await self._crowded()
        passes = seen.effect is not Effect.BLOCK and doubt.passable
        self._count("observed" if passes else "refused")
        return passes

    def passed(self, count: int) -> None:
        """As ``Tunnels``."""
        if count > 0:
            self._count("passed", count)

    def totals(self) -> dict[str, int]:
        """As ``Tunnels``."""
        return dict(self._counts)

    async def settle(self, *, ending: bool = False) -> None:
        """As ``Tunnels``."""
        self._turn(ending=ending)
        while self._untold:
            await self.recorder.certainly(self._untold[0])
            self._untold.popleft()
        self._total(ending=ending)

    # --- one tunnel -------------------------------------------------------------------------------------------------

    async def _first(self, connection: Connection, actor: Actor, doubt: Doubt) -> _Seen:
        names: dict[str, JSON] = {
            "connect": connection.connect[:LONGEST_NAME],
            "sni": connection.sni[:LONGEST_NAME],
            "original": connection.original,
        }
        host = host_name(connection.sni or connection.connect or connection.original)[:LONGEST_NAME]
        where = Location("unknown", host, "", Unknown("tunnel"), host)
        action = Action("unknown", "tunnel", "CONNECT", ActionKind.UNRECOGNISED, where, reason=doubt.value)
        about = Circumstances(action, actor, "https", host, consistent=False)
        try:
            made = await self.assessor.assess(about, self.assessor.worst_case())
        except HaechiError as error:
            made = self.assessor.failed(about, Content(ContentState.NOT_INSPECTED), Cause.of(error))
        request = Request("CONNECT", "https", host, str(names["connect"]) or host)
        judged = Judged(connection, request, about, _bounded(made, doubt), self.clock.now(), self.recorder.new_id())
        settled = await self.recorder.settle(judged, made.modes)
        if settled.decision.effect is Effect.BLOCK:
            # The client reads nothing but a closed connection.
            self.notify(self.compose(settled.decision, action, settled.id).message)
        return _Seen(settled.id, settled.decision.effect, names, judged.at)

    async def _crowded(self) -> _Seen:
        """Too many unlike ones: their names are not kept, their number is."""
        if self._crowd is None:
            monitored = self.assessor.engine.in_force.modes.default is Mode.MONITOR
            effect = Effect.WOULD_BLOCK if monitored else Effect.BLOCK
            crowd = _Seen(self.recorder.new_id(), effect, {}, self.clock.now())
            begun = {"schema": SCHEMA, "kind": "tunnels-crowded", "id": crowd.decision, "at": crowd.at.isoformat()}
            await self.recorder.certainly({**begun, "effect": effect.value})
            self._crowd = crowd
        self._crowd.more += 1
        return self._crowd

    # --- what was only counted ----------------------------------------------------------------------------------------

    def _turn(self, *, ending: bool = False) -> None:
        """A new window: what the last one had is told by ``settle``. Waits for nothing: a client may break off."""
        now = self.clock.monotonic()
        if not ending and now - self._opened < WINDOW_S:
            return
        self._opened = now
        alike, self._seen = list(self._seen.values()), {}
        if self._crowd is not None:
            alike.append(self._crowd)
            self._crowd = None
        for seen in alike:
            if seen.more:
                self._tell(seen)

    def _tell(self, seen: _Seen) -> None:
        event: dict[str, JSON] = {
            "schema": SCHEMA,
            "kind": "tunnels-alike",
            "id": seen.decision,
            "at": self.clock.now().isoformat(),
            "since": seen.at.isoformat(),
            "more": seen.more,
            "effect": seen.effect.value,
            **seen.names,
        }
        if len(self._untold) < UNTOLD:
            self._untold.append(event)
        else:
            self.recorder.audit.later(event)  # which counts what it has no room for

    def _total(self, *, ending: bool) -> None:
        """What went through unseen, and what did not, once an hour where there was any."""
        now = self.clock.monotonic()
        if self._totalled is None:
            self._totalled = now
        if (not ending and now - self._totalled < TOTALS_EVERY_S) or self._counts == self._told:
            return
        self._totalled = now
        since = {name: count - self._told.get(name, 0) for name, count in self._counts.items()}
        if any(since.values()):
            event: dict[str, JSON] = {
                "schema": SCHEMA,
                "kind": "tunnels",
                "at": self.clock.now().isoformat(),
                **since,
            }
            try:
                self.recorder.audit.soon(event)
            except HaechiError:
                self.recorder.audit.later(event)
        self._told = dict(self._counts)

    def _count(self, outcome: str, amount: int = 1) -> None:
        self._counts[outcome] += amount
        self.metrics.count("haechi_tunnels_total", amount, outcome=outcome)


def _bounded(made: Assessment, doubt: Doubt) -> Assessment:
    """What the data path could not carry on anyway is closed in monitor mode too, and the record says so."""
    if doubt.passable or made.decision.effect is Effect.BLOCK:
        return made
    causes = (*made.decision.causes, Cause("tunnel-nowhere"))
    return dataclasses.replace(made, decision=dataclasses.replace(made.decision, effect=Effect.BLOCK, causes=causes))
