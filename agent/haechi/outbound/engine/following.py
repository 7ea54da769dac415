"""Keeps the policies in force to what lies in their place, a folder or a bundle, as far as a trusted key signed it.

Theory. A place is a folder or a bundle's file, be it a copy of what was fetched. A look compares its files, the
signature and the trust list with those of the last one. Only what did not change between two looks is read, for a
folder is copied file by file.

==================================  ==========================================================
found                               what happens
==================================  ==========================================================
other policies, signed, valid       recorded, then put in force
other policies, not signed, broken  refused: those in force stay; ``problem``
an issue that may not follow        the same (``domain.issue`` says which may)
those in force signed by a key      void at once: the place's, if they may be; else those that
that is trusted no longer           ship, which need no signature (``void``, ``problem``)
not even those that ship            none: every question gets a cause, and every upload is refused
==================================  ==========================================================

At the start nothing is in force that could stay, and those that ship may be looser than the institution's:

==================================  ==========================================================
the place                           in force
==================================  ==========================================================
what ships, or signed and valid     what lies there; what is signed is kept
anything else, or gone              what was kept, if its signature still holds (``problem``)
and nothing kept that holds         none, until the place is good (``problem``)
==================================  ==========================================================

Whatever is raised on the way, foreseen or not, is a refusal with a name: it must not pass over what follows from it.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable
from enum import Enum
from pathlib import Path
from typing import Protocol, TypeAlias

import structlog

from haechi.domain.errors import HaechiError
from haechi.domain.facts import JSON
from haechi.domain.issue import issue_facts
from haechi.outbound.engine.folder import PolicyFolder, locate, none_of
from haechi.outbound.engine.kept import KeptPolicies
from haechi.outbound.engine.loaded import Engine
from haechi.outbound.engine.place import policies_at, stamp_at
from haechi.outbound.engine.signature import SignedPolicies
from haechi.outbound.engine.succession import Succession
from haechi.outbound.trust.stamp import Stamp

PASSING = (
    "audit.",
    "policy.worker",
    "policy.opa-",
    "policy.sequence-unwritable",
    "trust.key-not-in-force",
)
"""Codes of refusals that may pass although neither place nor trust list changes: tried again with every look."""

_Seen: TypeAlias = tuple[Stamp, str]
_log = structlog.get_logger(__name__)


class Record(Protocol):
    """Records that other policies come into force. Raises ``HaechiError`` where it can not: then they do not."""

    def __call__(self, before: str, after: str, void: HaechiError | None) -> Awaitable[None]:
        """``void`` is why the earlier ones are; then it must not raise."""


class InForce(Enum):
    """What is in force, and by what right."""

    CHOSEN = "chosen"
    """What lies in the place."""
    KEPT = "kept"
    """The last ones of the place that were accepted; those that lie there now are not."""
    SHIPPED = "shipped"
    """Those that ship, for those that became void."""
    NONE = "none"


class FollowedPolicies:
    """``place`` gives where the policies lie, ``kept`` remembers those that were signed, ``succession`` which issue was
    the last. Start before use; one event loop.
    """

    def __init__(
        self,
        engine: Engine,
        accept: SignedPolicies,
        place: Callable[[], Path],
        record: Record,
        kept: KeptPolicies,
        succession: Succession,
        *,
        shipped: Callable[[], Path] = locate,
        own: Path | None = None,
        unconfirmed: Callable[[dt.datetime], float | None] = lambda now: None,
    ) -> None:
        """``own`` is where the institution's folder belongs: what ``shipped`` gives is in force for want of it, or by
        choice where the two are one. ``unconfirmed`` gives the seconds since the policies' source was last reached.
        """
        self._engine, self._accept, self._place, self._record = engine, accept, place, record
        self._kept, self._succession, self._shipped, self._own = kept, succession, shipped, own
        self._unconfirmed = unconfirmed
        self._from = Path()
        self._confirmed_at: dt.datetime | None = None
        self._signature: bytes | None = None
        self._glimpsed: _Seen | None = None
        self._taken_up: _Seen | None = None
        self.state = InForce.NONE
        self.problem: HaechiError | None = None
        """Why what lies in the place is not in force; None while it is."""
        self.void: HaechiError | None = None
        """Why the policies that were signed are void, while others stand in for them."""
        self.not_kept: HaechiError | None = None
        """Why what is in force would not outlive a broken place and a restart."""

    def facts(self, now: dt.datetime) -> dict[str, JSON]:
        """What rules may know of the policies in force (``domain.issue.issue_facts``)."""
        return issue_facts(self._engine.in_force.issue, now, self._unsure(now))

    def _unsure(self, now: dt.datetime) -> float | None:
        """Seconds since the source last gave what is in force. One that gives only what is refused, be it broken, old
        or nobody's, confirms nothing: it may keep newer ones back just so.
        """
        told, issue = self._unconfirmed(now), self._engine.in_force.issue
        if told is None:
            return None
        if self.problem is None:
            self._confirmed_at = now - dt.timedelta(seconds=told)
            return told
        since = self._confirmed_at or (issue.issued_at if issue else None)
        return told if since is None else max(told, (now - since).total_seconds())

    async def start(self) -> None:
        """Put the policies of their place in force, else the last that were accepted, else none: the look goes on.

        Raises ``HaechiError`` only where not even what ships can be read: the program is not whole then.
        """
        self._glimpsed = self._taken_up = await asyncio.to_thread(self._look)
        try:
            place = self._from = self._first_place()
            await self._begin(place)
            self.state = InForce.CHOSEN
            await self._keep()
        except Exception as error:
            problem = _named(error)
            self._refuse(problem)
            await self._stand_in(problem)

    def _first_place(self) -> Path:
        place = self._place()
        if place == self._shipped() != self._own and self._kept.exists:
            # An institution's policies do not end because their folder is gone.
            raise HaechiError("policy.folder-missing", folders=str(self._own))
        return place

    async def _begin(self, place: Path) -> None:
        policies, signature = await asyncio.to_thread(self._accept.read, place)
        accepted = await asyncio.to_thread(self._succession.admit, policies)
        await self._engine.put_in_force(
            policies, lambda: asyncio.to_thread(self._succession.remember, accepted, policies)
        )
        self._signature = signature

    async def _stand_in(self, problem: HaechiError) -> None:
        """At the start, for policies that are refused."""
        try:
            await self._begin(self._kept.place)
            self.state = InForce.KEPT
            _log.warning("policies-kept", revision=self._engine.revision)
        except Exception as error:
            _log.error("policies-none", cause=_named(error).code)
            await self._end(await asyncio.to_thread(policies_at, self._shipped()), problem)

    async def _end(self, stand_in: PolicyFolder, problem: HaechiError) -> None:
        """No policies from here on."""
        await self._engine.withdraw(none_of(stand_in), problem)
        self._signature, self.state = None, InForce.NONE

    async def _keep(self) -> None:
        """Remember what is in force now."""
        self.not_kept = None
        if self._signature is None:
            await asyncio.to_thread(self._kept.forget)
            return
        try:
            await asyncio.to_thread(self._kept.keep, self._engine.in_force, self._signature)
        except HaechiError as error:
            self.not_kept = error
            _log.error("policies-not-kept", **error.params)

    async def look(self) -> bool:
        """See whether anything changed, and put it in force. True when other policies are in force now."""
        seen, void = await asyncio.to_thread(self._look), self._void()
        settled, self._glimpsed = seen == self._glimpsed, seen
        if void is None and (not settled or seen == self._taken_up):
            return False
        self._taken_up = seen
        before = self._engine.revision
        try:
            await self._take_up(void)
        except Exception as error:
            problem, told = _named(error), self.problem
            self._refuse(problem)
            if void is not None:
                await self._fall_back(void)
            elif self.state is InForce.NONE and str(problem) != str(told):
                await self._end(self._engine.in_force, problem)
        return self._engine.revision != before

    def _void(self) -> HaechiError | None:
        """Why the policies in force are void; None while their signature holds."""
        if self._signature is None:
            return None
        try:
            self._accept.holds(self._engine.revision, self._signature)
        except Exception as error:  # what nobody can tell does not hold
            return _named(error)
        return None

    def _look(self) -> _Seen:
        try:
            return stamp_at(self._place()), self._accept.trust.revision
        except Exception:
            return (), self._accept.trust.revision

    async def _take_up(self, void: HaechiError | None) -> None:
        place = self._place()
        if place == self._shipped() and place != self._from:
            # An institution's policies do not end because their folder is gone.
            raise HaechiError("policy.folder-missing", folders=str(self._from))
        policies, signature = await asyncio.to_thread(self._accept.read, place)
        accepted = await asyncio.to_thread(self._succession.admit, policies)
        before = self._engine.revision

        async def confirm() -> None:
            await self._record(before, policies.revision, void)
            await asyncio.to_thread(self._succession.remember, accepted, policies)

        if policies.revision != before:
            await self._engine.put_in_force(policies, confirm)
        self._from, self._signature, self.problem, self.void = place, signature, None, None
        self.state = InForce.CHOSEN
        await self._keep()

    def _refuse(self, error: HaechiError) -> None:
        self.problem = error
        _log.error("policies-refused", cause=error.code, **error.params)
        if error.code.startswith(PASSING):
            self._taken_up = None

    async def _fall_back(self, void: HaechiError) -> None:
        before = self._engine.revision
        self.void = void
        try:
            policies: PolicyFolder = await asyncio.to_thread(policies_at, self._shipped())
            await self._engine.put_in_force(policies, lambda: self._record(before, policies.revision, void))
            self._signature, self.state = None, InForce.SHIPPED
        except Exception as error:
            _log.error("policies-none", cause=_named(error).code)
            await self._end(self._engine.in_force, void)
            await self._record(before, self._engine.revision, void)


def _named(error: Exception) -> HaechiError:
    if isinstance(error, HaechiError):
        return error
    if isinstance(error, OSError):  # a process that could not be started: to be tried again
        return HaechiError("policy.worker", why=error.strerror or type(error).__name__)
    _log.error("policies-not-understood", exc_info=error)
    return HaechiError("policy.invalid", file="", why=f"{type(error).__name__}: {error}")
