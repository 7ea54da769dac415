"""The words of a refusal: one line that a command-line tool prints and an engineer can act on.

What, why, what to do, and by which number to ask. The first finding speaks in full; the others are named by their
requirement, so the line stays readable in a terminal. Rules of the project's own caution stand for no requirement: they
are named by their title.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from haechi.domain.decision import Basis, Cause, Decision, Finding, Severity
from haechi.domain.facts import JSON
from haechi.domain.upload import Action, ActionKind
from haechi.ports.connector import RefusalText
from haechi.words import say

OWN_CAUTION: Final = "haechi"
"""The requirement of rules that come from no document."""


_WHAT: Final = {ActionKind.EXPOSE: "change", ActionKind.UNRECOGNISED: "request"}
"""What is refused where it is no upload."""
_Parts = tuple[tuple[str, str], ...]
"""As ``RefusalText.told``."""


class SpokenRule(Protocol):
    """A rule's words in one language."""

    @property
    def title(self) -> str:
        """What it asks, in a few words."""

    @property
    def message(self) -> str:
        """What is wrong."""

    @property
    def remedy(self) -> str:
        """What to do about it."""

    @property
    def unsure(self) -> bool:
        """Whether it rests on something unknown: then it is caution, whatever the rule's basis."""


class RuleWords(Protocol):
    """The words of the rules, which live beside them."""

    def __call__(self, rule_id: str, lang: str, params: Mapping[str, JSON]) -> SpokenRule:
        """The words of one rule, filled from a finding's parameters. What begins with ``@`` says where it was found:
        ``@cloud`` (the provider) and ``@operation``.
        """


@dataclass(frozen=True, slots=True)
class RefusalWriter:
    """Writes refusals in the language of the machine's people."""

    rule_words: RuleWords
    lang: str

    def __call__(self, decision: Decision, action: Action, decision_id: str) -> RefusalText:
        """The refusal of one request. ``decision_id`` is empty where no record of it is left to ask for."""
        blocking = [one for one in decision.findings if one.forbids and one.rule not in decision.lifted]
        about = {"@cloud": action.provider, "@operation": action.operation}
        if action.kind is ActionKind.UNRECOGNISED:
            blocking = _at_fault(blocking)
        reason, told = (
            self._of_cause(decision.causes, blocking)
            if decision.causes or not blocking
            else self._of_finding(blocking, about)
        )
        if decision_id and not decision.causes and all(one.severity is Severity.JUSTIFY for one in blocking):
            justify = say("refusal.justify", self.lang, id=decision_id)
            reason, told = f"{reason} {justify}", (*told, ("justify", justify))
        line = "refusal.line" if decision_id else "refusal.line-unrecorded"
        what = say(f"refusal.what-{_WHAT.get(action.kind, 'upload')}", self.lang)
        message = say(line, self.lang, what=what, reason=reason, id=decision_id)
        parts = tuple((part, words) for part, words in told if words)
        return RefusalText("AccessDenied", " ".join(message.split()), decision_id, self.lang, parts)

    def _of_finding(self, blocking: list[Finding], about: Mapping[str, JSON]) -> tuple[str, _Parts]:
        first = blocking[0]
        words = self.rule_words(first.rule, self.lang, {**first.params, **about})
        name = self._name(first)
        others = self._named(other for other in blocking[1:] if other.rule != first.rule)
        basis = say(f"basis.{(Basis.INFERENCE if words.unsure else first.basis).value}", self.lang)
        line = say(
            "refusal.finding",
            self.lang,
            requirement=name,
            basis=basis,
            message=words.message,
            remedy=words.remedy,
            also=self._also(others),
        )
        why = f"{words.message} [{name}, {basis}]"
        return line, (("why", why), ("remedy", words.remedy), ("also", " · ".join(others)))

    def _name(self, finding: Finding) -> str:
        if finding.requirement != OWN_CAUTION:
            return finding.requirement
        return self.rule_words(finding.rule, self.lang, finding.params).title or finding.rule

    def _named(self, others: Iterable[Finding]) -> list[str]:
        """Each once, by number and title: whoever must also seal is to read so at once."""
        return list(dict.fromkeys(self._title(other) for other in others))

    def _title(self, finding: Finding) -> str:
        title = self.rule_words(finding.rule, self.lang, finding.params).title
        return f"{finding.requirement} {title}" if finding.requirement != OWN_CAUTION else title or finding.rule

    def _of_cause(self, causes: tuple[Cause, ...], blocking: list[Finding]) -> tuple[str, _Parts]:
        """What kept us from seeing all of it; the findings rest on the worst that may be in what was not seen."""
        if not causes:
            words = say("cause.unnamed", self.lang)
            return words, (("why", words),)
        first = causes[0]
        params: dict[str, object] = {**first.params}
        problem, about = first.params.get("problem"), first.params.get("about")
        if isinstance(problem, str) and isinstance(about, Mapping):
            params["problem"] = say(problem, self.lang, **about)
        words, others = say(f"cause.{first.code}", self.lang, **params), self._named(blocking)
        return f"{words} {self._also(others)}", (("why", words), ("also", " · ".join(others)))

    def _also(self, others: list[str]) -> str:
        return say("refusal.also", self.lang, others=", ".join(others)) if others else ""


def _at_fault(blocking: list[Finding]) -> list[Finding]:
    """Of a request that nobody understands, that it is so, and what was recognised in it: all else follows from having
    to assume the worst, and would accuse where nothing was found. The record has everything.
    """
    named = [one for one in blocking if "operation" in one.params]
    return [*named, *(one for one in blocking if one.params.get("name"))] if named else blocking
