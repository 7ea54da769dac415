"""Permits at work: taken up, held against each upload, spent, and all of it on record.

Theory. A permit is *armed* (a signed document handed over, or a justification given), and later *taken* by an upload
that nothing but what it lifts keeps from going. What is spent is told to the audit first and to the ledger then, and
only then does the upload go: a crash in between loses the permit, never gives it twice. Neither is believed alone: at
the start the ledger and the audit are joined, what either calls spent is spent, and where the ledger knew less it is on
record that somebody put an older one back.

One *use* is one object: the parts of a multipart upload share it.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from haechi.domain.bound import Cut
from haechi.domain.errors import HaechiError
from haechi.domain.facts import JSON
from haechi.domain.permit import Held, Mismatch, Permit, PermitKind, Unfit, mismatch
from haechi.domain.upload import Location
from haechi.ports.audit import AuditLog
from haechi.ports.clock import Clock
from haechi.ports.metrics import Metrics
from haechi.ports.permits import Armed, PermitLedger, PermitVerifier

KIND = "permit"
"""Of the records about permits."""
SCHEMA = "haechi.record/1"
USED = "used"
"""Why a spent permit does not fit."""
ENDED = "ended"
"""Stands for the use of a permit that somebody ended."""
MOST_A_USER = 20
"""Permits that wait for one user; this project's choice, so that nobody's fill the room of the others."""
JUSTIFIED_FOR = dt.timedelta(minutes=10)
"""How long a justification opens the way; this project's choice."""

_log = structlog.get_logger(__name__)
_ORDER = (PermitKind.JUSTIFICATION, PermitKind.EXCEPTION, PermitKind.BREAK_GLASS)
"""Which of several that fit is taken: the narrowest."""


@dataclass(slots=True)
class Permits:
    """Every permit of this agent. ``notify`` shows a message to the machine's people, for what has to be loud."""

    ledger: PermitLedger
    verifier: PermitVerifier
    audit: AuditLog
    clock: Clock
    metrics: Metrics
    new_id: Callable[[], str]
    notify: Callable[[Permit], object] = lambda permit: None
    void: HaechiError | None = None
    """Why nothing that is bound to this agent counts: its key is another machine's too."""
    ready: bool = False
    """Whether ledger and audit were joined; before, nothing is let go by a permit."""
    behind: bool = False
    """Whether the ledger was found to know less than the audit: somebody put an older one back."""
    _armed: dict[str, Armed] = field(default_factory=dict)
    """Replaced, never changed: others may be going through it."""
    _spent: dict[str, str] = field(default_factory=dict)
    """The use by the permit's id."""
    _uses: set[tuple[str, str]] = field(default_factory=set)
    """Of permits that are good for more than one: which are on record."""

    def join(self, recorded: Iterable[Mapping[str, JSON]]) -> None:
        """Join the ledger and what the audit tells of spent permits (its records of this kind, oldest first).

        Blocks: call it off the event loop, once. Raises ``HaechiError('ledger.…')``, ``audit.…``.
        """
        told: dict[str, str] = {}
        for event in recorded:
            use = _spent_by(event)
            if use == ENDED:  # also the use that had it: what was ended does not go on
                told[str(event.get("permit_id"))] = use
            elif use:
                told.setdefault(str(event.get("permit_id")), use)
        known = self.ledger.spent()
        missing = sorted(told.keys() - known.keys())
        self.ledger.recall(told.items())
        self._armed = {one.permit.id: one for one in self.ledger.armed()}
        self._spent = {**told, **known, **{name: use for name, use in told.items() if use == ENDED}}
        self.behind = bool(missing)
        if self.behind:
            _log.error("permit-ledger-behind", permits=missing)
            self._note("behind", missing[0], {"ids": [*missing]})
        self.ready = True

    async def arm_document(self, document: bytes, user: str) -> Permit:
        """Take up a signed permit that ``user`` hands over; refusals are on record too.

        Raises ``HaechiError``: the verifier's, ``permit.other-user``, ``permit.used``, ``permit.not-ready``,
        ``ledger.…``, ``audit.…``.
        """
        try:
            permit = self._accepted(document, user)
            await self._arm(Armed(permit, document, await self._cut(permit.digest)))
        except HaechiError as error:
            name = str(error.params.get("id", ""))
            await self.audit.durable(self._event("refused", name, {"user": user, "why": error.code}))
            self.metrics.count("haechi_permits_refused_total", why=error.code)
            raise
        return permit

    async def _cut(self, digest: str) -> Cut | None:
        """How the permit's file is cut. Where nobody worked that out, it goes as one part at most."""
        if not digest:
            return None
        return await asyncio.to_thread(self.ledger.cut_of, digest) or Cut(digest, {})

    def _accepted(self, document: bytes, user: str) -> Permit:
        self._wait_ready()
        self.bound()
        permit = self.verifier.verify(document)
        if permit.user != user:
            raise HaechiError("permit.other-user", id=permit.id, user=permit.user)
        if permit.id in self._spent:
            raise HaechiError("permit.used", id=permit.id)
        armed = self._armed.get(permit.id)
        if armed is not None and armed.permit != permit:
            raise HaechiError("permit.malformed", cause=f"{permit.id} is the number of another one")
        return permit

    async def arm(self, permit: Permit) -> None:
        """Take up a permit that needs no signature: a justification. Raises as ``arm_document``."""
        self._wait_ready()
        if permit.id in self._spent:
            raise HaechiError("permit.over", id=permit.number)
        await self._arm(Armed(permit))

    async def _arm(self, armed: Armed) -> None:
        permit = armed.permit
        mine = [one for one in self.armed() if one.user == permit.user and one.id != permit.id]
        if len(mine) >= MOST_A_USER and permit.kind is not PermitKind.BREAK_GLASS:
            raise HaechiError("permit.too-many", limit=MOST_A_USER)
        await self.audit.durable(self._event("armed", permit.id, {"permit": permit.as_json()}))
        await asyncio.to_thread(self.ledger.arm, armed)
        self._armed = {**self._armed, permit.id: armed}
        self.metrics.count("haechi_permits_armed_total", kind=permit.kind.value)
        if permit.kind is PermitKind.BREAK_GLASS:
            _log.error("break-glass-open", permit=permit.id, user=permit.user, until=permit.expires.isoformat())
            self.notify(permit)

    async def end(self, permit_id: str, user: str | None) -> Permit:
        """Let a permit end before its time, for good: it only tightens. ``user`` None may end anybody's.

        Raises ``HaechiError``: ``permit.unknown`` (also for another's), ``ledger.…``, ``audit.…``.
        """
        armed = self._armed.get(permit_id)
        if armed is None or user not in (None, armed.permit.user):
            raise HaechiError("permit.unknown", id=permit_id)
        self._spent.setdefault(permit_id, ENDED)
        await self.audit.durable(self._event("ended", permit_id, {"by": user or "", "use": ENDED}))
        await asyncio.to_thread(self.ledger.spend, armed.permit, ENDED)
        await asyncio.to_thread(self.ledger.disarm, permit_id)
        self._armed = {name: one for name, one in self._armed.items() if name != permit_id}
        return armed.permit

    def armed(self) -> tuple[Permit, ...]:
        """All that wait to be used: armed, not over, and not spent."""
        now = self.clock.now()
        return tuple(
            one.permit for name, one in self._armed.items() if name not in self._spent and one.permit.expires > now
        )

    def awaited(self, user: str, place: Location) -> bool:
        """Whether a permit of this user's may fit an upload to this object: then nothing of it is let go before all of
        it was seen and the permit was taken.
        """
        return self.ready and any(
            one.permit.user == user and (one.permit.place is None or one.permit.place.names(place))
            for one in self._armed.values()
        )

    async def remember(self, cut: Cut) -> None:
        """Remember how a file is cut for which a permit was asked. Raises ``HaechiError('ledger.…')``."""
        await asyncio.to_thread(self.ledger.keep, cut)

    def file_of(self, pieces: Sequence[tuple[int, str]]) -> str:
        """The digest of the permitted file that these parts make, by their numbers and digests; empty where they make
        none.
        """
        cuts = (one.cut for one in self._armed.values() if one.cut is not None)
        return next((cut.digest for cut in cuts if cut.made_of(pieces)), "")

    def fitting(self, held: Held, use: str) -> Permit | None:
        """The permit that would let it go on this use; none is spent. Never raises: what cannot be told lets nothing
        go.
        """
        if not self.ready or not held.findings:
            return None
        fit = [
            one
            for name, one in self._armed.items()
            if self._spent.get(name, use) == use and mismatch(one.permit, held, one.cut) is None and self._stands(one)
        ]
        return min((one.permit for one in fit), key=lambda permit: _ORDER.index(permit.kind), default=None)

    def unfit(self, held: Held) -> tuple[Unfit, ...]:
        """Why the user's permits let it not go."""
        found = []
        for name, one in self._armed.items():
            why = mismatch(one.permit, held, one.cut)
            if one.permit.user != held.user or why is Mismatch.OTHER_USER:
                continue
            if name in self._spent and why is None:
                found.append(Unfit(name, USED))
                self.metrics.count("haechi_permits_refused_total", why=USED)
            elif why is not None:
                found.append(Unfit(name, why.value))
        return tuple(found)

    async def take(self, permit: Permit, use: str) -> bool:
        """Let one use have the permit: on record, then spent. False where it is spent on another use already.

        Raises ``HaechiError``: ``ledger.…``, ``audit.…``; then it lets nothing go, and a single use is spent.
        """
        if permit.single_use:
            by = self._spent.get(permit.id)
            if by is not None:
                return by == use
            self._spent[permit.id] = use  # before anything is waited for: another upload may ask meanwhile
        elif (permit.id, use) in self._uses:
            return True
        await self.audit.durable(self._event("used", permit.id, {"use": use, "permit": permit.as_json()}))
        self.metrics.count("haechi_permits_used_total", kind=permit.kind.value)
        if permit.kind is PermitKind.BREAK_GLASS:
            self.notify(permit)
        if not permit.single_use:
            self._uses.add((permit.id, use))
            return True
        return await asyncio.to_thread(self.ledger.spend, permit, use)

    def prune(self) -> None:
        """Forget armed permits that are over. Blocks. Raises ``HaechiError('ledger.…')``."""
        now = self.clock.now()
        over = {name for name, one in list(self._armed.items()) if one.permit.expires <= now}
        for name in over:
            self.ledger.disarm(name)
        if over:
            self._armed = {name: one for name, one in list(self._armed.items()) if name not in over}
            self._uses = {(name, use) for name, use in list(self._uses) if name not in over}

    def _stands(self, armed: Armed) -> bool:
        """Whether it is what was signed, and the signatures still hold: the ledger alone is not believed, and a key may
        have been revoked since.
        """
        permit = armed.permit
        if not armed.document:
            return permit.kind is PermitKind.JUSTIFICATION and permit.expires <= self.clock.now() + JUSTIFIED_FOR
        try:
            self.bound()
            return self.verifier.verify(armed.document) == permit
        except HaechiError as error:
            _log.warning("permit-void", permit=permit.id, cause=error.code)
            return False

    def bound(self) -> None:
        """Raises ``HaechiError`` where nothing can be bound to this agent: ``permit.cloned``,
        ``permit.machine-unknown``.
        """
        if self.void is not None:
            raise HaechiError(self.void.code, **self.void.params)

    def _wait_ready(self) -> None:
        if not self.ready:
            raise HaechiError("permit.not-ready")

    def _note(self, act: str, permit_id: str, more: Mapping[str, JSON]) -> None:
        self.audit.later(self._event(act, permit_id, more))

    def _event(self, act: str, permit_id: str, more: Mapping[str, JSON]) -> Mapping[str, JSON]:
        return {
            "schema": SCHEMA,
            "kind": KIND,
            "id": self.new_id(),
            "at": self.clock.now().isoformat(),
            "act": act,
            "permit_id": permit_id,
            **more,
        }


def _spent_by(event: Mapping[str, JSON]) -> str:
    """The use that a record says a permit was spent on; empty for any other record."""
    permit = event.get("permit")
    single = isinstance(permit, Mapping) and permit.get("kind") == PermitKind.EXCEPTION.value
    spent = event.get("act") == "ended" or (event.get("act") == "used" and single)
    return str(event.get("use")) if event.get("kind") == KIND and spent else ""
