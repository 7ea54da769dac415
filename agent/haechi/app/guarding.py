"""Judge what a program is about to send, for the guard on its SDK's client: with the data path's own judge.

A guard sees the request that goes on the wire, so it asks the same question as the data path, of the same use case,
and gets the same answer on the same kind of record (``connection.way`` is ``guard``). Its yes exempts nothing: what
passes the data path afterwards is judged there. Must not know the control socket, nor any SDK.
"""

from __future__ import annotations

import dataclasses
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from haechi.app.ahead import ahead
from haechi.app.judging import JudgeUploads
from haechi.domain.actor import Actor
from haechi.domain.upload import Request
from haechi.ports.judge import Connection, Judging

WAY = "guard"
REMEMBERED = 64


@dataclass(frozen=True, slots=True)
class JudgeGuarded:
    """The use case. ``actor`` is who a process is, by its number and user; ``leads_here`` tells whether a request that
    takes the proxy named (a URL, empty for none) comes by the data path. A program that says so falsely gains nothing:
    without a guard it would not be judged either.
    """

    judge: JudgeUploads
    actor: Callable[[int, int], Actor]
    leads_here: Callable[[Request, str], bool]
    _judges: OrderedDict[tuple[int, int, bool], tuple[Actor, JudgeUploads]] = field(
        default_factory=OrderedDict, repr=False
    )
    """The judge for each who asked of late, and whether ahead of the data path: made once."""

    def open(self, pid: int, uid: int, request: Request, proxy: str) -> Judging:
        """Begin to judge a request of a process."""
        judge = self._for(pid, uid, self.leads_here(request, proxy))
        return judge.open(Connection("", 0, way=WAY), request)

    def _for(self, pid: int, uid: int, leads_here: bool) -> JudgeUploads:
        actor, key = self.actor(pid, uid), (pid, uid, leads_here)
        known = self._judges.get(key)
        if known is not None and known[0] is actor:
            return known[1]
        # No store's answer comes by here: what went past counts as taken.
        judge = dataclasses.replace(ahead(self.judge) if leads_here else self.judge, actors=_Known(actor), hears=False)
        self._judges[key] = actor, judge
        while len(self._judges) > REMEMBERED:
            self._judges.popitem(last=False)
        return judge


@dataclass(frozen=True, slots=True)
class _Known:
    """``Actors`` where the kernel has named the one already."""

    actor: Actor

    def of(self, address: str, port: int) -> Actor:
        """The one who asks."""
        return self.actor

    def forget(self, address: str, port: int) -> None:
        """Nothing is remembered."""
