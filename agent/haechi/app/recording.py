"""Turn a judged request into its audit record, and see to it that the record is there before anyone acts on it.

What must be durable before it leaves: every refusal, every ``would block``, every verdict on content that was
recognised or could not be read, and every change of exposure. An allowed upload of clean content is recorded without
waiting. A verdict that leaves while the audit can not be written (a refusal for just that; anything in monitor mode) is
``delayed``: its record follows, or is counted as lost (docs/adr/0006).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from haechi.app.assessing import Assessment, Circumstances
from haechi.app.tagging import Released
from haechi.domain.content import ContentState
from haechi.domain.decision import Cause, Effect
from haechi.domain.errors import HaechiError
from haechi.domain.facts import JSON
from haechi.domain.redaction import redact_target
from haechi.domain.upload import ActionKind, Request
from haechi.ports.audit import AuditLog
from haechi.ports.judge import Connection
from haechi.ports.protection import TaggedFile

SCHEMA = "haechi.record/1"
UNFIT = ("audit-too-large", "audit-not-recordable")
"""Causes that lie in the event itself: it is recorded without what is long or strange."""
ESSENTIAL = ("schema", "kind", "id", "at", "decision", "action", "destination", "delayed")


@dataclass(frozen=True, slots=True)
class Recorder:
    """Writes decisions to the audit. ``new_id`` gives a fresh decision id that a person can read out and type."""

    audit: AuditLog
    new_id: Callable[[], str]

    async def decided(
        self,
        connection: Connection,
        request: Request,
        about: Circumstances,
        made: Assessment,
        at: dt.datetime,
        decision_id: str,
    ) -> None:
        """Record a decision; returns once it is as durable as it must be. Raises ``HaechiError`` where it can not."""
        event = decision_event(connection, request, about, made, at, decision_id)
        if must_be_durable(about, made):
            await self.audit.durable(event)
        else:
            self.audit.soon(event)

    def delayed(
        self,
        connection: Connection,
        request: Request,
        about: Circumstances,
        made: Assessment,
        at: dt.datetime,
        decision_id: str,
        cause: Cause,
    ) -> bool:
        """Record a verdict that does not wait for its record. False where the record is lost, and counted."""
        event = {**decision_event(connection, request, about, made, at, decision_id), "delayed": cause.as_json()}
        if cause.code in UNFIT:
            event = {name: event[name] for name in ESSENTIAL}
        return self.audit.later(event)

    async def certainly(self, event: Mapping[str, JSON]) -> None:
        """Record what has happened already: durably, or as soon as the audit takes it."""
        try:
            await self.audit.durable(event)
        except HaechiError as error:
            self.audit.later({**event, "delayed": {"code": error.code.replace(".", "-"), "params": {}}})

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


def must_be_durable(about: Circumstances, made: Assessment) -> bool:
    """Whether the record must be safe before the verdict leaves."""
    return (
        made.decision.effect is not Effect.ALLOW
        or bool(made.decision.causes)
        or made.content.state in (ContentState.MATCHED, ContentState.OPAQUE)
        or about.action.kind in (ActionKind.EXPOSE, ActionKind.UNRECOGNISED)
    )


def decision_event(
    connection: Connection,
    request: Request,
    about: Circumstances,
    made: Assessment,
    at: dt.datetime,
    decision_id: str,
) -> Mapping[str, JSON]:
    """One decision as it is recorded. The whole policy input is kept where something was found or recognised, so that
    the decision can be explained and judged again; an allowed clean upload keeps what an auditor counts.
    """
    action, destination = about.action, made.destination
    target, masked = redact_target(request.target)
    event: dict[str, JSON] = {
        "schema": SCHEMA,
        "kind": "decision",
        "id": decision_id,
        "at": at.isoformat(),
        "decision": made.decision.as_json(),
        "action": {
            "provider": action.provider,
            "service": action.service,
            "operation": action.operation,
            "kind": action.kind.value,
            "reason": action.reason,
            "access_key": action.access_key,
            "presigned": action.presigned,
        },
        "request": {
            "method": request.method,
            "scheme": request.scheme,
            "host": request.host,
            "target": target,
            "masked": list(masked),
        },
        "connection": {"way": connection.way, "connect": connection.connect, "sni": connection.sni},
        "actor": about.actor.as_json(),
        "destination": action.destination.as_json() if action.destination else None,
        "destination_revision": destination.revision if destination else "",
        "content": made.content.as_json(),
        "policy": made.policy,
        "registry": made.registry,
        "engine_seconds": round(made.seconds, 6),
        "cached": made.cached,
    }
    if must_be_durable(about, made):
        event["input"] = dict(made.facts)
    return event


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
