"""What an engineer asks for when an upload was refused: an exception of two approvers, or to go on with a reason.

Nothing is let go by asking. A request for an exception is a text that other people sign; a justification opens the way
only past rules that ask for no more than one.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from haechi.app.checking import CheckFile, Intended
from haechi.app.concluding import STORING, enforcing
from haechi.app.cutting import Cutting
from haechi.app.explaining import Records
from haechi.app.permitting import JUSTIFIED_FOR, Permits
from haechi.domain.bound import How, Place
from haechi.domain.decision import Basis, Effect, Finding, Severity
from haechi.domain.errors import HaechiError
from haechi.domain.facts import Unknown
from haechi.domain.permit import Permit, PermitKind, liftable
from haechi.ports.clock import Clock
from haechi.ports.engine import PolicyEngine

SHORTEST_REASON: Final = 10
LONGEST_REASON: Final = 2000
"""Characters of a person's reason: enough to say something, and bounded."""
ANSWERABLE_FOR: Final = dt.timedelta(hours=24)
"""How old a refusal may be that is justified; this project's choice."""


@dataclass(frozen=True, slots=True)
class RequestException:
    """Writes the request for an exception. ``agent`` is the id by which approvers know this agent."""

    check: CheckFile
    permits: Permits
    agent: str
    new_id: Callable[[], str]

    async def __call__(
        self, upload: Intended, user: str, reason: str, report: Callable[[int, int], Awaitable[None]]
    ) -> dict[str, Any]:
        """The statement that two approvers are to sign, its end and number left to them. ``report`` is told how many of
        how many bytes were read: the file is read twice.

        Raises ``HaechiError``: as ``CheckFile``, ``permit.not-needed``, ``permit.not-liftable`` (an exception cannot
        help), ``permit.reason``, ``permit.cause``, ``permit.changed``, ``ledger.…``,
        ``permit.cloned``, ``permit.machine-unknown``.
        """
        said = reason_of(reason)
        self.permits.bound()
        total = 2 * os.fstat(upload.source).st_size

        async def seen(offset: int) -> None:
            await report(offset, total)

        action, made, content = await self.check.judged(upload, seen)
        place, decision = action.destination, made.decision
        if decision.causes:
            raise HaechiError("permit.cause", cause=decision.causes[0].code)
        forbidding = enforcing(decision.findings, made.modes)
        if decision.effect is not Effect.BLOCK or place is None:
            raise HaechiError("permit.not-needed", url=upload.url)
        if not liftable(forbidding, PermitKind.EXCEPTION):
            raise HaechiError("permit.not-liftable", rules=_statutes(forbidding))
        name = os.path.basename(upload.path)  # noqa: PTH119 - a name for people, not a path to open
        cutting = Cutting(upload.source, content.digest, name)
        while await asyncio.to_thread(cutting.step):
            await report(total // 2 + cutting.offset, total)
        await self.permits.remember(cutting.result())
        owner = made.destination.account if made.destination else Unknown("not-read")
        return {
            "schema": "haechi.exception/1",
            "id": self.new_id(),
            "kind": PermitKind.EXCEPTION.value,
            "agent": self.agent,
            "user": user,
            "rules": sorted({finding.rule for finding in forbidding}),
            "digest": content.digest,
            "size": content.size,
            "place": Place.of(place, owner).as_json(),
            "reason": said,
        }

    def break_glass(self, user: str, reason: str) -> dict[str, Any]:
        """The statement for an emergency: bound to the user and this agent alone.

        Raises ``HaechiError``: ``permit.reason``, ``permit.cloned``, ``permit.machine-unknown``.
        """
        self.permits.bound()
        return {
            "schema": "haechi.exception/1",
            "id": self.new_id(),
            "kind": PermitKind.BREAK_GLASS.value,
            "agent": self.agent,
            "user": user,
            "reason": reason_of(reason),
        }


@dataclass(frozen=True, slots=True)
class JustifyUpload:
    """Takes a person's reason for a refused upload, and opens the way for it."""

    records: Records
    permits: Permits
    engine: PolicyEngine
    clock: Clock

    async def __call__(self, decision_id: str, uid: int, user: str, reason: str) -> Permit:
        """The permit, armed and on record.

        Raises ``HaechiError``: ``explain.not-found`` (also for another's decision), ``permit.reason``,
        ``permit.not-refused``, ``permit.too-old``, ``permit.not-justifiable``, ``permit.no-content``, ``permit.cause``.
        """
        said = reason_of(reason)
        record = await self.records.find(decision_id)
        actor = record.get("actor") if record else None
        if record is None or not isinstance(actor, Mapping) or actor.get("uid") != uid or actor.get("user") != user:
            raise HaechiError("explain.not-found", id=decision_id)
        now = self.clock.now()
        decision = record.get("decision") or {}
        if decision.get("effect") != Effect.BLOCK.value:
            raise HaechiError("permit.not-refused", id=decision_id)
        if decision.get("causes"):
            raise HaechiError("permit.cause", cause=decision["causes"][0]["code"])
        if now - dt.datetime.fromisoformat(record["at"]) > ANSWERABLE_FOR:
            raise HaechiError("permit.too-old", id=decision_id, hours=int(ANSWERABLE_FOR.total_seconds() // 3600))
        forbidding = enforcing(map(_finding, decision.get("findings", ())), self.engine.modes)
        if not liftable(forbidding, PermitKind.JUSTIFICATION):
            rules = ", ".join(sorted({one.rule for one in forbidding if one.severity is not Severity.JUSTIFY}))
            raise HaechiError("permit.not-justifiable", id=decision_id, rules=rules or _statutes(forbidding))
        digest, size = _content(record, decision_id)
        permit = Permit(
            id=f"why-{decision_id}",  # a second reason takes the first one's place
            kind=PermitKind.JUSTIFICATION,
            user=user,
            expires=now + JUSTIFIED_FOR,
            rules=frozenset(one.rule for one in forbidding),
            digest=digest,
            size=size,
            place=_place(record, decision_id),
            number=decision_id,
            reason=said,
        )
        await self.permits.arm(permit)
        return permit


def reason_of(text: str) -> str:
    """A person's reason, or ``HaechiError('permit.reason')`` for one that says nothing or is no text."""
    said = " ".join(text.split())
    if not SHORTEST_REASON <= len(said) <= LONGEST_REASON or not said.isprintable():
        raise HaechiError("permit.reason", least=SHORTEST_REASON, most=LONGEST_REASON)
    return said


def _statutes(findings: tuple[Finding, ...]) -> str:
    return ", ".join(sorted({f"{one.rule} ({one.requirement})" for one in findings if one.basis is Basis.STATUTE}))


def _finding(form: Mapping[str, Any]) -> Finding:
    """A finding as a record has it."""
    basis, severity = Basis(form["basis"]), Severity(form["severity"])
    return Finding(str(form["rule"]), str(form["requirement"]), basis, severity, form.get("params") or {})


def _content(record: Mapping[str, Any], decision_id: str) -> tuple[str, int]:
    """What was refused, and its size: the whole body, or the one protected content that was recognised in a part, or
    before the body ended.
    """
    content, action = record.get("content") or {}, record.get("action") or {}
    if action.get("kind") not in {kind.value for kind in STORING}:
        raise HaechiError("permit.no-content", id=decision_id)
    size = content.get("size")
    if content.get("digest") and isinstance(size, int) and action.get("travels") == How.WHOLE.value:
        return str(content["digest"]), size
    named = {(str(match.get("digest", "")), int(match.get("total_bytes", 0))) for match in content.get("matches", ())}
    if len(named) != 1 or "" in {digest for digest, _ in named}:
        raise HaechiError("permit.no-content", id=decision_id)
    return named.pop()


def _place(record: Mapping[str, Any], decision_id: str) -> Place:
    """Where it was going, with the owner as the rules saw it."""
    place = record.get("destination") or {}
    if not place.get("container") or not place.get("key"):
        raise HaechiError("permit.no-content", id=decision_id)
    seen = ((record.get("input") or {}).get("destination") or {}).get("facts") or {}
    account = seen.get("account")
    owner = account if isinstance(account, str) else ""
    named = (str(place.get(name, "")) for name in ("container", "key"))
    return Place(str(place["provider"]), str(place.get("store", "")), owner, *named)
