"""What recorded decisions can be judged again, and why others cannot. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from haechi.app.recording import SCHEMA
from haechi.domain.decision import Cause, Effect
from haechi.domain.facts import JSON
from haechi.domain.permit import Permit, permit_from
from haechi.domain.policy import INPUT_SCHEMA
from haechi.ports.recorded import Damage, Recorded


class Skip(StrEnum):
    """Why a recorded decision was not judged again, besides ``Damage``."""

    SUMMARY = "summary"
    """Allowed, and nothing was recognised: only a summary was recorded."""
    BRIEF = "brief"
    """Recorded without its input, because that was too long or could not be written."""
    NO_FACTS = "no-facts"
    """The machinery failed before there was an input: no policies can be asked about it."""
    OTHER_INPUT = "other-input"
    """An input of another schema version."""
    OTHER_RECORD = "other-record"
    """A record of a form that this version does not know."""
    UNANSWERED = "unanswered"
    """The candidate gave no answer in time, also when it was asked again alone."""


EXPECTED: Final = frozenset({Skip.SUMMARY.value, Skip.BRIEF.value, Skip.NO_FACTS.value, Damage.UNFINISHED.value})
"""Reasons that lie in how decisions are recorded; any other makes the replay incomplete."""


@dataclass(frozen=True, slots=True)
class Unasked:
    """A record about which nothing can be asked: a ``Skip`` or ``Damage``, and what more is known of the reason."""

    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """A recorded decision that can be judged again."""

    recorded: Recorded
    facts: Mapping[str, JSON]
    effect: Effect
    findings: tuple[Mapping[str, Any], ...]
    causes: tuple[Cause, ...]
    permit: Permit | None = None
    """What let it go though rules spoke against it."""

    @property
    def may_be_tagged(self) -> bool:
        """As far as the record tells: content that was recognised, or a cause that did weigh then."""
        content = self.facts.get("content")
        matched = isinstance(content, Mapping) and content.get("state") == "matched"
        return matched or self.effect is not Effect.ALLOW


def question_of(recorded: Recorded) -> Question | Unasked:
    """What can be asked about a record, or why nothing can."""
    if recorded.damage is not None:
        return Unasked(recorded.damage.value)
    event = recorded.event
    decision = decision_of(event)
    if decision is None:
        return Unasked(Skip.OTHER_RECORD.value, str(event.get("schema"))[:64])
    effect, findings, causes = decision
    facts = event.get("input")
    if not isinstance(facts, Mapping):
        summary = effect is Effect.ALLOW and not causes and not event.get("delayed")
        return Unasked(Skip.SUMMARY.value) if summary else Unasked(Skip.BRIEF.value, _codes(causes))
    if not facts:
        return Unasked(Skip.NO_FACTS.value, _codes(causes))
    if facts.get("schema") != INPUT_SCHEMA:
        return Unasked(Skip.OTHER_INPUT.value, str(facts.get("schema"))[:64])
    try:
        permit = _permit(event.get("permit"))
    except (ValueError, KeyError, TypeError):
        return Unasked(Skip.OTHER_RECORD.value, "permit")
    return Question(recorded, facts, effect, findings, causes, permit)


def _permit(form: object) -> Permit | None:
    """The permit of a record; its place is the recorded upload's own. Raises as ``permit_from``."""
    if form is None:
        return None
    if not isinstance(form, Mapping):
        raise TypeError("a permit is an object")
    return permit_from(form)


def decision_of(event: Mapping[str, Any]) -> tuple[Effect, tuple[Mapping[str, Any], ...], tuple[Cause, ...]] | None:
    """Effect, findings and causes of a record; None where it has another form."""
    decision = event.get("decision")
    if event.get("schema") != SCHEMA or not isinstance(decision, Mapping):
        return None
    findings, causes = decision.get("findings"), decision.get("causes")
    if not isinstance(findings, list) or not isinstance(causes, list):
        return None
    if not all(isinstance(one, Mapping) for one in itertools.chain(findings, causes)):
        return None
    try:
        effect = Effect(str(decision.get("effect")))
    except ValueError:
        return None
    return effect, tuple(findings), tuple(Cause(str(one.get("code")), one.get("params") or {}) for one in causes)


def _codes(causes: Iterable[Cause]) -> str:
    return " ".join(cause.code for cause in causes)[:64]


def id_of(recorded: Recorded) -> str:
    """By what a person finds it: the decision's id, else the place in the log."""
    return str(recorded.event.get("id") or recorded.where)[:64]
