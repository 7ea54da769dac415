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
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import structlog

from haechi.domain.errors import HaechiError
from haechi.domain.facts import JSON
from haechi.domain.permit import Held, Mismatch, Permit, PermitKind, Unfit, mismatch
from haechi.ports.audit import AuditLog
from haechi.ports.clock import Clock
from haechi.ports.metrics import Metrics
from haechi.ports.permits import Armed, PermitLedger, PermitVerifier

KIND = "permit"
"""Of the records about permits."""
SCHEMA = "haechi.record/1"
USED = "used"
"""Why a spent permit does not fit."""

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
    ready: bool = False
    """Whether ledger and audit were joined; before, nothing is let go by a permit."""
    behind: bool = False
    """Whether the ledger was found to know less than the audit: somebody put an older one back."""
    _armed: dict[str, Armed] = field(default_factory=dict)
    _spent: set[str] = field(default_factory=set)

    def join(self, recorded: Iterable[Mapping[str, JSON]]) -> None:
        """Join the ledger and what the audit tells of spent permits (its records of this kind, oldest first).

        Blocks: call it off the event loop, once. Raises ``HaechiError('ledger.…')``, ``audit.…``.
        """
        told = {
            str(event.get("permit_id")): str(event.get("use"))
            for event in recorded
            if event.get("kind") == KIND and event.get("act") == "used"
        }
        known = set(self.ledger.spent())
        self.behind = bool(told.keys() - known)
        self.ledger.recall(told.items())
        self._armed = {one.permit.id: one for one in self.ledger.armed()}
        self._spent = known | told.keys()
        if self.behind:
            ids = sorted(told.keys() - known)
            _log.error("permit-ledger-behind", permits=ids)
            self._note("behind", ids[0], {"ids": [*ids]})
        self.ready = True

    async def arm_document(self, document: bytes, user: str) -> Permit:
        """Take up a signed permit that ``user`` hands over; refusals are on record too.

        Raises ``HaechiError``: the verifier's, ``permit.other-user``, ``permit.used``, ``permit.not-ready``,
        ``ledger.…``, ``audit.…``.
        """
        try:
            permit = await self._accepted(document, user)
        except HaechiError as error:
            name = str(error.params.get("id", ""))
            await self.audit.durable(self._event("refused", name, {"user": user, "why": error.code}))
            self.metrics.count("haechi_permits_refused_total", why=error.code)
            raise
        await self._arm(Armed(permit, document))
        return permit

    async def _accepted(self, document: bytes, user: str) -> Permit:
        self._wait_ready()
        permit = self.verifier.verify(document)
        if permit.user != user:
            raise HaechiError("permit.other-user", id=permit.id, user=permit.user)
        if await asyncio.to_thread(self.ledger.used_by, permit.id) is not None:
            raise HaechiError("permit.used", id=permit.id)
        return permit

    async def arm(self, permit: Permit) -> None:
        """Take up a permit that needs no signature: a justification. Raises as ``arm_document``."""
        self._wait_ready()
        await self._arm(Armed(permit))

    async def _arm(self, armed: Armed) -> None:
        permit = armed.permit
        await self.audit.durable(self._event("armed", permit.id, {"permit": permit.as_json()}))
        await asyncio.to_thread(self.ledger.arm, armed)
        self._armed[permit.id] = armed
        self.metrics.count("haechi_permits_armed_total", kind=permit.kind.value)
        if permit.kind is PermitKind.BREAK_GLASS:
            _log.error("break-glass-open", permit=permit.id, user=permit.user, until=permit.expires.isoformat())
            self.notify(permit)

    async def end(self, permit_id: str, user: str | None) -> Permit:
        """Let a permit end before its time: it only tightens. ``user`` None may end anybody's.

        Raises ``HaechiError``: ``permit.unknown`` (also for another's), ``ledger.…``, ``audit.…``.
        """
        armed = self._armed.get(permit_id)
        if armed is None or user not in (None, armed.permit.user):
            raise HaechiError("permit.unknown", id=permit_id)
        await asyncio.to_thread(self.ledger.disarm, permit_id)
        self._armed.pop(permit_id, None)
        await self.audit.durable(self._event("ended", permit_id, {"by": user or ""}))
        return armed.permit

    def armed(self) -> tuple[Permit, ...]:
        """All that wait to be used: armed, not over, and not spent."""
        now, waiting = self.clock.now(), self._armed.keys() - self._spent
        return tuple(one.permit for name, one in self._armed.items() if name in waiting and one.permit.expires > now)

    def fitting(self, held: Held) -> Permit | None:
        """The permit that would let it go; none is spent. Never raises: what cannot be told lets nothing go."""
        if not self.ready or not held.findings:
            return None
        fit = [one for one in self._armed.values() if mismatch(one.permit, held) is None and self._stands(one)]
        return min((one.permit for one in fit), key=lambda permit: _ORDER.index(permit.kind), default=None)

    def unfit(self, held: Held) -> tuple[Unfit, ...]:
        """Why the user's other permits let it not go."""
        why = ((one.permit, mismatch(one.permit, held)) for one in self._armed.values())
        return tuple(
            Unfit(permit.id, reason.value)
            for permit, reason in why
            if permit.user == held.user and reason is not None and reason is not Mismatch.OTHER_USER
        )

    def used(self, permit: Permit) -> tuple[Unfit, ...]:
        """That a permit was spent on another use."""
        self.metrics.count("haechi_permits_refused_total", why=USED)
        return (Unfit(permit.id, USED),)

    async def take(self, permit: Permit, use: str) -> bool:
        """Let one use have the permit: on record, then spent. False where it is spent on another use already.

        Raises ``HaechiError``: ``ledger.…``, ``audit.…``; then it lets nothing go.
        """
        if permit.single_use:
            by = await asyncio.to_thread(self.ledger.used_by, permit.id)
            if by is not None:
                return by == use
        await self.audit.durable(self._event("used", permit.id, {"use": use, "permit": permit.as_json()}))
        self.metrics.count("haechi_permits_used_total", kind=permit.kind.value)
        if permit.kind is PermitKind.BREAK_GLASS:
            self.notify(permit)
        if not permit.single_use:
            return True
        self._spent.add(permit.id)
        return await asyncio.to_thread(self.ledger.spend, permit, use)

    def prune(self) -> None:
        """Forget armed permits that are over. Blocks. Raises ``HaechiError('ledger.…')``."""
        now = self.clock.now()
        for one in [one for one in self._armed.values() if one.permit.expires <= now]:
            self.ledger.disarm(one.permit.id)
            self._armed.pop(one.permit.id, None)

    def _stands(self, armed: Armed) -> bool:
        """Whether its signatures still hold: a key may have been revoked since it was armed."""
        if not armed.document:
            return True
        try:
            self.verifier.verify(armed.document)
        except HaechiError as error:
            _log.warning("permit-void", permit=armed.permit.id, cause=error.code)
            return False
        return True

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
