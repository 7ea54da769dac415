"""Turn a judged request into its audit record, and see to it that the record is there before anyone acts on it.

What must be durable before it leaves: every refusal, every ``would block``, every verdict on content that was
recognised or could not be read, and every change of exposure. An allowed upload of clean content is recorded without
waiting. A verdict that leaves while the audit can not be written (a refusal for just that; anything in monitor mode) is
``delayed``: its record follows, or is counted as lost (docs/adr/0006).
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from haechi.app.assessing import Assessment, Circumstances
from haechi.app.tagging import Released
from haechi.domain.bound import Travels
from haechi.domain.content import ContentState
from haechi.domain.decision import Cause, Decision, Effect, Mode, Modes
from haechi.domain.errors import HaechiError
from haechi.domain.facts import JSON
from haechi.domain.redaction import redact_target
from haechi.domain.tags import Tag
from haechi.domain.upload import ActionKind, Request
from haechi.ports.audit import AuditLog
from haechi.ports.judge import Connection
from haechi.ports.metrics import Metrics
from haechi.ports.protection import TaggedFile

if TYPE_CHECKING:
    from haechi.app.sealing import Sealed  # which records by what is here

SCHEMA = "haechi.record/1"
UNFIT = ("audit-too-large", "audit-not-recordable")
"""Causes that lie in the event itself: it is recorded without what is long or strange."""
ESSENTIAL = ("schema", "kind", "id", "at", "decision", "action", "destination", "delayed")


@dataclass(frozen=True, slots=True)
class Judged:
    """One request and what was decided about it: all that its record tells. ``id`` is the decision's."""

    connection: Connection
    request: Request
    about: Circumstances
    made: Assessment
    at: dt.datetime
    id: str

    @property
    def durable(self) -> bool:
        """Whether the record must be safe before the verdict leaves."""
        return (
            self.made.decision.effect is not Effect.ALLOW
            or bool(self.made.decision.causes)
            or self.made.permit is not None
            or self.made.content.state in (ContentState.MATCHED, ContentState.OPAQUE)
            or self.about.action.kind in (ActionKind.EXPOSE, ActionKind.UNRECOGNISED)
        )

    def event(self, delayed: Cause | None = None) -> Mapping[str, JSON]:
        """The decision as it is recorded. The whole policy input is kept where something was found or recognised, so
        that the decision can be explained and judged again; an allowed clean upload keeps what an auditor counts.
        ``delayed`` says why the verdict does not wait for this record.
        """
        about, made, request, connection = self.about, self.made, self.request, self.connection
        action, place, destination = about.action, about.action.destination, made.destination
        target, masked = redact_target(request.target)
        event: dict[str, JSON] = {
            "schema": SCHEMA,
            "kind": "decision",
            "id": self.id,
            "at": self.at.isoformat(),
            "decision": made.decision.as_json(),
            "action": {
                "provider": action.provider,
                "service": action.service,
                "operation": action.operation,
                "kind": action.kind.value,
                "reason": action.reason,
                "access_key": action.access_key,
                "presigned": action.presigned,
                "travels": Travels.of(action).how.value,
            },
            "request": {
                "method": request.method,
                "scheme": request.scheme,
                "host": request.host,
                "target": target,
                "masked": list(masked),
            },
            "connection": {"way": connection.way, "connect": connection.connect, "sni": connection.sni},
            "actor": about.actor.recorded(),
            "destination": {**place.as_json(), "store": place.store} if place else None,
            "destination_revision": destination.revision if destination else "",
            "content": made.content.as_json(),
            "policy": made.policy,
            "registry": made.registry,
            "engine_seconds": round(made.seconds, 6),
            "cached": made.cached,
        }
        if made.permit is not None and made.decision.effect is not Effect.BLOCK:
            event["permit"] = made.permit.as_json()
        if made.unfit:
            event["permits_unfit"] = [one.as_json() for one in made.unfit]
        if self.durable:
            event["input"] = dict(made.facts)
        if delayed is None:
            return event
        event["delayed"] = delayed.as_json()
        return {name: event[name] for name in ESSENTIAL} if delayed.code in UNFIT else event


@dataclass(frozen=True, slots=True)
class Settled:
    """What is carried out, once its record is as durable as it must be. ``id`` names the record; it is empty where none
    is left, and counted. ``delayed`` says why the record only follows.
    """

    decision: Decision
    id: str
    delayed: Cause | None = None


@dataclass(frozen=True, slots=True)
class Recorder:
    """Writes to the audit and counts. ``new_id`` gives a fresh decision id that a person can read out and type."""

    audit: AuditLog
    new_id: Callable[[], str]
    metrics: Metrics

    async def settle(self, judged: Judged, modes: Modes) -> Settled:
        """Record a decision, then say what is to be carried out. Never raises ``HaechiError``."""
        try:
            if judged.durable:
                await self.audit.durable(judged.event())
            else:
                self.audit.soon(judged.event())
        except HaechiError as error:
            settled = self._unrecorded(judged, modes, Cause.of(error))
        else:
            settled = Settled(judged.made.decision, judged.id)
        effect, operation = settled.decision.effect.value, judged.about.action.operation
        self.metrics.count("haechi_decisions_total", effect=effect, operation=operation)
        return settled

    def _unrecorded(self, judged: Judged, modes: Modes, cause: Cause) -> Settled:
        """The record cannot be made now. Enforcing refuses, whatever the fail mode; monitoring never blocks. Either way
        the record follows when it can, and is counted where it is lost.
        """
        decision = judged.made.decision
        refused = decision.effect is Effect.BLOCK
        effect = decision.effect if modes.default is Mode.MONITOR else Effect.BLOCK
        named = (*decision.causes, cause) if refused else (cause, *decision.causes)
        decision = Decision(effect, decision.findings, named)
        late = dataclasses.replace(judged, made=dataclasses.replace(judged.made, decision=decision))
        self.metrics.count("haechi_records_delayed_total", cause=cause.code)
        kept = self.audit.later(late.event(cause))
        return Settled(decision, judged.id if kept else "", cause)

    async def certainly(self, event: Mapping[str, JSON]) -> None:
        """Record what has happened already: durably, or as soon as the audit takes it."""
        try:
            await self.audit.durable(event)
        except HaechiError as error:
            self.audit.later({**event, "delayed": Cause.of(error).as_json()})

    async def broken_off(self, decision_id: str, about: Circumstances, cause: str, at: dt.datetime) -> None:
        """Record that a request whose body carried recognised content ended before a decision was carried out."""
        place = about.action.destination
        event: dict[str, JSON] = {
            "schema": SCHEMA,
            "kind": "broken-off",
            "id": decision_id,
            "at": at.isoformat(),
            "cause": cause,
            "destination": place.as_json() if place else None,
        }
        await self.certainly(event)


def tag_event(files: Sequence[TaggedFile], event_id: str, at: dt.datetime, user: str) -> Mapping[str, JSON]:
    """The record of files that somebody tagged by hand: from it the index can be made anew."""
    return {
        "schema": SCHEMA,
        "kind": "tag",
        "id": event_id,
        "at": at.isoformat(),
        "user": user,
        "files": [
            {
                "path": file.path,
                "digest": file.digest,
                "size": file.stamp.size,
                "tags": [tag.as_json() for tag in file.tags],
            }
            for file in files
        ],
    }


def release_event(released: Released, event_id: str, at: dt.datetime, user: str) -> Mapping[str, JSON]:
    """The record of tags that a signed release took off or lowered."""
    permitted = released.release
    return {
        "schema": SCHEMA,
        "kind": "release",
        "id": event_id,
        "at": at.isoformat(),
        "user": user,
        "path": released.path,
        "digest": released.digest,
        "before": [tag.as_json() for tag in released.before],
        "after": [tag.as_json() for tag in released.after],
        "approver": permitted.approver,
        "number": permitted.number,
        "release_id": permitted.id,
    }


def release_refused_event(
    path: str, error: HaechiError, event_id: str, at: dt.datetime, user: str
) -> Mapping[str, JSON]:
    """The record of a release that was handed over and loosened nothing. ``ledger_behind`` where the audit alone knew
    that it was spent.
    """
    return {
        "schema": SCHEMA,
        "kind": "release-refused",
        "id": event_id,
        "at": at.isoformat(),
        "user": user,
        "path": path,
        "number": str(error.params.get("number", "")),
        "why": error.code,
        "ledger_behind": error.params.get("ledger_behind") is True,
    }


def change_event(
    what: str, before: str, after: str, event_id: str, at: dt.datetime, cause: HaechiError | None = None
) -> Mapping[str, JSON]:
    """The record that other signed data are in force: ``what`` is ``trust``, ``registry`` or ``policy``, ``before`` and
    ``after`` are revisions. ``cause`` says why the earlier ones are void.
    """
    return {
        "schema": SCHEMA,
        "kind": "change",
        "id": event_id,
        "at": at.isoformat(),
        "what": what,
        "before": before,
        "after": after,
        "cause": cause.code if cause else "",
    }


def sealed_event(done: Sealed, name: str, plain: str, event_id: str, at: dt.datetime, user: str) -> Mapping[str, JSON]:
    """The record of a sealing: ``plain`` is the digest of what went into the ciphertext, ``name`` the ciphertext's."""
    return {
        "schema": SCHEMA,
        "kind": "sealed",
        "id": event_id,
        "at": at.isoformat(),
        "name": name,
        "user": user,
        "plain": plain,
        "sealed": done.digest,
        "size": done.size,
        "tags": [tag.as_json() for tag in done.tags],
        "recipients": list(done.recipients),
    }


def unsealed_event(name: str, tags: Sequence[Tag], event_id: str, at: dt.datetime, user: str) -> Mapping[str, JSON]:
    """The record of an unsealing, and the tags that the plain content is protected under."""
    return {
        "schema": SCHEMA,
        "kind": "unsealed",
        "id": event_id,
        "at": at.isoformat(),
        "name": name,
        "user": user,
        "tags": [tag.as_json() for tag in tags],
    }


def self_test_event(result: Mapping[str, JSON]) -> Mapping[str, JSON]:
    """The record of a self-test; ``result`` is what ``haechi status`` keeps of it."""
    return {"schema": SCHEMA, "kind": "self-test", **result}
