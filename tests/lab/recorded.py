"""Audits full of decisions as the agent records them: the real recorder's form, written by the real log."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from haechi.app.assessing import Assessment, Circumstances
from haechi.app.recording import Judged
from haechi.domain.content import Content, ContentState
from haechi.domain.decision import Cause, Decision, Finding, Modes, decide
from haechi.domain.facts import JSON
from haechi.domain.upload import Request
from haechi.outbound.audit import SegmentedAuditLog
from haechi.outbound.trust.keys import SigningKey
from haechi.ports.judge import Connection

from tests.policy.base import ACTION, ACTOR, PLACE, SEALED

CLEAN = Content(ContentState.CLEAN, (), 4096)


class SetClock:
    """Its time of day stands where it is put; spans are real."""

    def __init__(self, now: dt.datetime) -> None:
        self.moment = now

    def now(self) -> dt.datetime:
        return self.moment

    def monotonic(self) -> float:
        return time.monotonic()


def judged(
    number: int,
    facts: Mapping[str, JSON],
    findings: Sequence[Finding] = (),
    modes: Modes | None = None,
    *,
    causes: Sequence[Cause] = (),
    content: Content = SEALED,
    user: str = "kim",
    container: str = "ours-seoul",
    at: dt.datetime,
) -> Judged:
    """One decision about a plain upload: what the policies found, under these modes."""
    decision: Decision = decide(findings, modes or Modes(), causes)
    place = dataclasses.replace(PLACE, container=container)
    host = f"{container}.s3.ap-northeast-2.amazonaws.com"
    about = Circumstances(
        dataclasses.replace(ACTION, destination=place), dataclasses.replace(ACTOR, user=user), "https", host
    )
    return Judged(
        Connection("proxy", "127.0.0.1", 40000, host, host),
        Request("PUT", "https", host, f"/lots/{number}.age"),
        about,
        Assessment(decision, content, facts, "blake3:recorded", "sha256:registry", Modes()),
        at,
        f"hd-{number:012d}",
    )


def write(folder: Path, events: Iterable[Mapping[str, Any]], clock: SetClock) -> None:
    """Append events through the real log; an event's own ``at`` is its time."""
    asyncio.run(written(folder, events, clock))


async def written(folder: Path, events: Iterable[Mapping[str, Any]], clock: SetClock) -> None:
    """The same, from asynchronous code. Waits now and then, so that the log's queue is never full."""
    with SegmentedAuditLog(folder, SigningKey.generate(), clock) as log:
        for number, event in enumerate(events):
            clock.moment = dt.datetime.fromisoformat(event["at"])
            if number % 1000 == 999:
                await log.durable(event)
            else:
                log.soon(event)
