"""Explain a decision from its record: the facts it rests on, each finding in words, the text of each rule.

The record is what was decided; rules may have changed since, and the answer says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol

from haechi.app.refusing import RuleWords
from haechi.domain.errors import HaechiError
from haechi.domain.facts import JSON
from haechi.ports.engine import PolicyEngine, RuleInfo
from haechi.words import say


class Records(Protocol):
    """The audit, as far as one record is looked up."""

    async def find(self, decision_id: str) -> Mapping[str, Any] | None:
        """The record with this id; None where there is none."""

    def waits(self, decision_id: str) -> bool:
        """Whether it is in memory alone."""


@dataclass(frozen=True, slots=True)
class ExplainDecision:
    """The use case. ``rule_text`` reads the Rego of a rule by its file; empty where it is not at hand."""

    records: Records
    engine: PolicyEngine
    rule_words: RuleWords
    rule_text: Callable[[RuleInfo], str]

    async def __call__(self, decision_id: str, only_uid: int | None, lang: str) -> dict[str, Any]:
        """The explanation. ``only_uid`` limits it to that user's own uploads.

        Raises ``HaechiError('explain.not-found')``, also for another's decision: who may not see it learns nothing.
        """
        record = await self.records.find(decision_id)
        if record is None or not self._may_see(record, only_uid):
            raise HaechiError("explain.not-found", id=decision_id)
        decision = record.get("decision") or {}
        return {
            "id": decision_id,
            "record": _told(record, only_uid),
            "effect": decision.get("effect", ""),
            "findings": [self._finding(finding, lang, _about(record)) for finding in decision.get("findings", [])],
            "causes": [
                {**cause, "message": say(f"cause.{cause['code']}", lang, **cause.get("params", {}))}
                for cause in decision.get("causes", [])
            ],
            "unwritten": bool(record.get("delayed")) and self.records.waits(decision_id),
            "policy_changed": record.get("policy") not in ("", None, self.engine.revision),
        }

    @staticmethod
    def _may_see(record: Mapping[str, Any], only_uid: int | None) -> bool:
        actor = record.get("actor")
        return only_uid is None or (isinstance(actor, Mapping) and actor.get("uid") == only_uid)

    def _finding(self, finding: Mapping[str, Any], lang: str, about: Mapping[str, JSON]) -> dict[str, Any]:
        rule = self.engine.rules.get(finding["rule"])
        return described(finding, rule, self.rule_words, lang, self.rule_text, about)


def _told(record: Mapping[str, Any], only_uid: int | None) -> dict[str, Any]:
    """The record without the name of a file that another user read, for whoever may see only their own."""
    told, facts = dict(record), record.get("input")
    reads = facts.get("reads") if isinstance(facts, Mapping) else None
    latest = reads.get("latest") if isinstance(reads, Mapping) else None
    if only_uid is None or not isinstance(latest, Mapping) or only_uid in latest.get("uids", ()):
        return told
    hidden = {"unknown": "read-by-another"}
    kept = {**latest, "file": hidden, "uids": [], "pid": hidden, "executable": hidden}
    return told | {"input": {**record["input"], "reads": {**record["input"]["reads"], "latest": kept}}}


def _about(record: Mapping[str, Any]) -> dict[str, JSON]:
    """Where the request went and what it was, as far as the record says."""
    request, place = record.get("request"), record.get("destination")
    said = {
        "@cloud": place.get("provider") if isinstance(place, Mapping) else None,
        "@operation": request.get("operation") if isinstance(request, Mapping) else None,
    }
    return {name: value for name, value in said.items() if isinstance(value, str)}


def described(
    finding: Mapping[str, Any],
    rule: RuleInfo | None,
    rule_words: RuleWords,
    lang: str,
    rule_text: Callable[[RuleInfo], str] = lambda rule: "",
    about: Mapping[str, JSON] = MappingProxyType({}),
) -> dict[str, Any]:
    """A finding with its words, source and text; ``unsure`` where it rests on something unknown. A rule that is
    loaded no more keeps its id and parameters. ``about`` as of ``RuleWords``.
    """
    document = {
        **finding,
        "title": "",
        "message": "",
        "remedy": "",
        "source": "",
        "file": "",
        "text": "",
        "unsure": False,
    }
    if rule is not None:
        words = rule_words(rule.id, lang, {**finding.get("params", {}), **about})
        document |= {
            "title": rule.title.get(lang, ""),
            "message": words.message,
            "remedy": words.remedy,
            "unsure": words.unsure,
            "source": rule.source,
            "file": rule.file,
            "text": rule_text(rule),
        }
    return document
