"""Two decisions about the same facts, held against each other: the recorded one and that of other policies. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any

import msgspec

from haechi.app.concluding import enforcing
from haechi.domain.decision import NO_POLICIES, Cause, Decision, Effect, Finding, Mode, Modes, Severity, decide
from haechi.domain.permit import Permit
from haechi.ports.engine import Answered

_ENCODER = msgspec.json.Encoder(order="sorted")


class Change(StrEnum):
    """What a decision would become. ``reported`` is what monitor mode lets pass and records."""

    NEWLY_BLOCKED = "newly_blocked"
    NEWLY_ALLOWED = "newly_allowed"
    NEWLY_REPORTED = "newly_reported"
    NO_LONGER_REPORTED = "no_longer_reported"
    FINDINGS = "findings_only"
    """The effect stays; which rules speak, or what they say, does not."""
    UNCHANGED = "unchanged"


def again(
    before: Effect,
    causes: Iterable[Cause],
    answer: Answered | Cause,
    modes: Modes,
    *,
    may_be_tagged: bool,
    permit: Permit | None = None,
) -> Decision:
    """The decision that the candidate would have led to. ``before``, ``causes`` and ``permit`` are the record's: the
    same permit would have been there, and reach as far as its kind does (``haechi.domain.permit``), no farther.
    """
    kept = tuple(cause for cause in causes if not cause.code.startswith("engine-") and cause.code != NO_POLICIES)
    failed = (*kept, answer) if isinstance(answer, Cause) else kept
    findings = answer.findings if isinstance(answer, Answered) else ()
    decision = decide(findings, modes, failed, may_be_tagged=may_be_tagged)
    if permit is not None and decision.blocks and not failed and all(map(permit.lifts, enforcing(findings, modes))):
        decision = decide(findings, modes, may_be_tagged=may_be_tagged, lifts=permit.lifts)
    unrecorded = any(cause.code.startswith("audit-") for cause in kept)
    if unrecorded and before is Effect.BLOCK and modes.default is Mode.ENFORCE:
        return Decision(Effect.BLOCK, decision.findings, decision.causes)
    return decision


def compared(before: Effect, findings: Iterable[Mapping[str, Any]], after: Decision) -> tuple[Change, bool]:
    """What changes, and whether the modes alone make it so."""
    same = _said(findings) == _found(after.findings)
    if after.effect is before:
        return (Change.UNCHANGED if same else Change.FINDINGS), False
    if after.effect is Effect.BLOCK:
        return Change.NEWLY_BLOCKED, same
    if before is Effect.BLOCK:
        return Change.NEWLY_ALLOWED, same
    stricter = after.effect.strictness > before.strictness
    return (Change.NEWLY_REPORTED if stricter else Change.NO_LONGER_REPORTED), same


def difference(
    change: Change,
    effect: Effect,
    findings: Iterable[Mapping[str, Any]],
    causes: Iterable[Cause],
    after: Decision,
    modes: Modes,
) -> tuple[str, ...]:
    """The rules, and causes by their code, that make a decision another one; ordered."""
    earlier = tuple(findings)
    if change is Change.FINDINGS:
        here, there = _said(earlier), _found(after.findings)
        return tuple(sorted({rule for rule, _, _ in here ^ there}))
    failed = {cause.code for cause in causes}, {cause.code for cause in after.causes}
    if change in (Change.NEWLY_BLOCKED, Change.NEWLY_REPORTED):
        strict = {
            finding.rule
            for finding in after.findings
            if finding.forbids
            and finding.rule not in after.lifted
            and (change is Change.NEWLY_REPORTED or modes.of(finding.rule) is Mode.ENFORCE)
        } | failed[1]
        known = (_blocking(earlier) | failed[0]) if effect is not Effect.ALLOW else set()
        return tuple(sorted(strict - known or strict))
    return tuple(sorted(_blocking(earlier) | failed[0]))  # none of them refuses any more


def _blocking(findings: Iterable[Mapping[str, Any]]) -> set[str]:
    return {str(finding.get("rule")) for finding in findings if finding.get("severity") != Severity.LOG.value}


def _found(findings: Iterable[Finding]) -> set[tuple[str, str, bytes]]:
    """The same of findings that were just made."""
    return {(one.rule, one.severity.value, _ENCODER.encode(one.params)) for one in findings}


def _said(findings: Iterable[Mapping[str, Any]]) -> set[tuple[str, str, bytes]]:
    """What is compared of findings: order, requirement and basis are the rule's own, not what it says."""
    return {
        (
            str(finding.get("rule")),
            str(finding.get("severity")),
            _ENCODER.encode(finding.get("params") or {}),
        )
        for finding in findings
    }
