"""From findings to one decision.

Theory. The engine answers with *findings* (a rule spoke) or fails for a *cause*. ``decide`` is a pure
function of those and of the modes in force; the strictest finding wins, and adding a finding never
loosens the outcome:

====================  ==============  =====================================
strictest, enforcing  mode            effect
====================  ==============  =====================================
none or ``log``       any             ``ALLOW``
``block``             enforce         ``BLOCK``
``block``             monitor         ``WOULD_BLOCK`` (forwarded, recorded)
``justify``           either          as ``block``, until the user has justified it
engine failed         enforce         by fail mode: ``closed`` blocks what may be tagged
engine failed         monitor         ``WOULD_BLOCK``
no policies           enforce         ``BLOCK``, whatever is known of the content: they also tag
====================  ==============  =====================================

A finding that a permit lifts (``haechi.domain.permit``) is told and recorded like any other, and counts for nothing.

Findings are told in the order in which a person can act on them: the strictest first; of those, what is known before
what merely follows from something unknown (the rule that names the unknown fact stands between the two); then by the
order that each rule gives itself in its METADATA.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from haechi.domain.errors import HaechiError
from haechi.domain.facts import JSON

LATEST = 99
"""The order of a rule that gives itself none."""
CONSEQUENCE = 100
"""Added to the order of a finding that rests on an unknown fact: it is told after whoever names that fact."""
NO_POLICIES = "no-policies"
"""The cause that no policies are in force."""
KNOWN_ENOUGH = frozenset({"not-ours"})
"""Causes of an unknown fact that say what matters all the same."""


class Severity(StrEnum):
    """What a rule asks for, mildest first."""

    LOG = "log"
    JUSTIFY = "justify"
    """Blocks until the user says why it has to be (``haechi justify``)."""
    BLOCK = "block"

    @property
    def strictness(self) -> int:
        """Larger is stricter."""
        return list(Severity).index(self)


class Basis(StrEnum):
    """How certain the source of a rule is: what a security officer must be able to tell apart."""

    STATUTE = "statute"
    GUIDANCE = "guidance"
    INFERENCE = "inference"


class Mode(StrEnum):
    """Whether a block is carried out. Monitor never blocks."""

    ENFORCE = "enforce"
    MONITOR = "monitor"


class FailMode(StrEnum):
    """What answers for an engine that failed."""

    CLOSED = "closed"
    """Whatever may carry tagged content is refused."""
    OPEN = "open"
    """Forwarded and recorded; only with a signed setting."""


class Effect(StrEnum):
    """What happens to the request, mildest first."""

    ALLOW = "allow"
    WOULD_BLOCK = "would_block"
    BLOCK = "block"

    @property
    def strictness(self) -> int:
        """Larger is stricter."""
        return list(Effect).index(self)


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule that spoke about one upload. ``params`` fill the rule's words, which are rendered outside Rego."""

    rule: str
    requirement: str
    basis: Basis
    severity: Severity
    params: Mapping[str, JSON] = field(default_factory=dict)
    order: int = LATEST

    @property
    def forbids(self) -> bool:
        """Whether it keeps an upload from going, where its rule is enforced and nothing lifts it."""
        return self.severity is not Severity.LOG

    def as_json(self) -> dict[str, JSON]:
        """The form used in the audit."""
        return {
            "rule": self.rule,
            "requirement": self.requirement,
            "basis": self.basis.value,
            "severity": self.severity.value,
            "params": dict(self.params),
        }


@dataclass(frozen=True, slots=True)
class Cause:
    """Why there is no answer from the engine: ``engine-undefined``, ``engine-late``, ``engine-crashed``,
    ``engine-invalid``, ``body-malformed``, ``body-short`` … A cause is a finding of the machinery itself.
    """

    code: str
    params: Mapping[str, JSON] = field(default_factory=dict)

    @classmethod
    def of(cls, error: HaechiError) -> Cause:
        """A failure of our own: its code in the causes' spelling. Its parameters are for the operations log."""
        return cls(error.code.replace(".", "-"))

    def as_json(self) -> dict[str, JSON]:
        """The form used in the audit."""
        return {"code": self.code, "params": dict(self.params)}


@dataclass(frozen=True, slots=True)
class Modes:
    """The modes in force: for everything, and for single rules. A rule's own mode wins."""

    default: Mode = Mode.ENFORCE
    by_rule: Mapping[str, Mode] = field(default_factory=dict)
    fail: FailMode = FailMode.CLOSED

    def of(self, rule: str) -> Mode:
        """The mode of one rule."""
        return self.by_rule.get(rule, self.default)

    @property
    def enforces(self) -> bool:
        """Whether anything can be refused under these modes."""
        return self.default is Mode.ENFORCE or Mode.ENFORCE in self.by_rule.values()


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided about one request, and why. ``findings`` are ordered strictest first; ``lifted`` names the rules
    whose findings a permit took the force from.
    """

    effect: Effect
    findings: tuple[Finding, ...] = ()
    causes: tuple[Cause, ...] = ()
    lifted: tuple[str, ...] = ()

    @property
    def blocks(self) -> bool:
        """Whether the request is refused."""
        return self.effect is Effect.BLOCK

    def as_json(self) -> dict[str, JSON]:
        """The form used in the audit."""
        return {
            "effect": self.effect.value,
            "findings": [finding.as_json() for finding in self.findings],
            "causes": [cause.as_json() for cause in self.causes],
            "lifted": [*self.lifted],
        }


def decide(
    findings: Iterable[Finding],
    modes: Modes,
    causes: Iterable[Cause] = (),
    *,
    may_be_tagged: bool = True,
    lifts: Callable[[Finding], bool] = lambda finding: False,
) -> Decision:
    """Carry findings, causes and modes to the effect. ``may_be_tagged`` matters to causes alone:
    a failed engine blocks nothing of which it is known that it carries no tagged content. Without policies nothing is
    known: they also say what is tagged. ``lifts`` tells of what a permit takes the force from.
    """
    ordered = tuple(sorted(findings, key=_told_first))
    failed = tuple(causes)
    forbidding = [finding for finding in ordered if finding.forbids]
    lifted = tuple(dict.fromkeys(finding.rule for finding in forbidding if lifts(finding)))
    effects = [_effect_of(modes.of(finding.rule)) for finding in forbidding if not lifts(finding)]
    may_be_tagged = may_be_tagged or any(cause.code == NO_POLICIES for cause in failed)
    if failed and may_be_tagged and modes.fail is FailMode.CLOSED:
        effects.append(_effect_of(modes.default))
    return Decision(max(effects, key=lambda e: e.strictness, default=Effect.ALLOW), ordered, failed, lifted)


def _told_first(finding: Finding) -> tuple[int, int, str, str, str]:
    rests_on_unknown = any(_unknown(value) for value in finding.params.values())
    order = finding.order + CONSEQUENCE if rests_on_unknown else finding.order
    return (-finding.severity.strictness, order, finding.requirement, finding.rule, repr(finding.params))


def _unknown(value: JSON) -> bool:
    return isinstance(value, Mapping) and value.get("unknown", None) not in (None, *KNOWN_ENOUGH)


def _effect_of(mode: Mode) -> Effect:
    return Effect.BLOCK if mode is Mode.ENFORCE else Effect.WOULD_BLOCK
