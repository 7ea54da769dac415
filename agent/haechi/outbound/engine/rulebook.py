"""The words of the rules: what a finding is told in, in Korean and English. Rendered here, never in Rego.

``words.yaml`` beside a rule holds ``title``, ``message``, ``remedy``, ``why``, each ``{ko, en}``; ``reasons`` and
``labels`` translate the parameters ``reason`` and ``role``; other values are told by ``haechi.words``
(``value.<parameter>.<value>``, a cause by ``unknown.<cause>``). Must not know engines.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from haechi.domain.facts import JSON
from haechi.outbound.engine.folder import PolicyFolder
from haechi.words import LANGUAGES, catalogue, say

_TRANSLATED = {"reason": "reasons", "role": "labels"}


@dataclass(frozen=True, slots=True)
class RuleWords:
    """One finding told in one language."""

    title: str
    message: str
    remedy: str
    why: str


class RuleBook:
    """The words of one set of policies; callable as ``words(rule_id, lang, params)``."""

    def __init__(self, words: Mapping[str, Mapping[str, Any]]) -> None:
        self._words = words

    @classmethod
    def of(cls, policies: PolicyFolder) -> RuleBook:
        """The words that were read with a folder."""
        return cls(policies.words)

    def __call__(self, rule_id: str, lang: str, params: Mapping[str, JSON]) -> RuleWords:
        """The words of one rule, filled. A rule without words says its id and parameters: nothing is lost."""
        texts = self._words.get(rule_id)
        language = lang if lang in LANGUAGES else "en"
        if texts is None:
            told = ", ".join(f"{name}={_plain(value, language)}" for name, value in params.items())
            return RuleWords(rule_id, f"{rule_id} ({told})" if told else rule_id, "", "")
        filled = _Lenient({name: _told(name, value, texts, language) for name, value in params.items()})
        reason = _entry("reason", params.get("reason"), texts)
        if reason is not None:
            # The rule's own text, which may name parameters; what came from outside is never a template.
            filled["reason"] = str(reason[language]).format_map(filled)
        return RuleWords(
            *(
                str(texts.get(part, {}).get(language, "")).format_map(filled)
                for part in ("title", "message", "remedy", "why")
            )
        )


def _told(name: str, value: JSON, texts: Mapping[str, Any], lang: str) -> str:
    entry = _entry(name, value, texts)
    if entry is not None:
        return str(entry[lang])
    if isinstance(value, str):
        code = f"unknown.{value}" if name == "cause" else f"value.{name}.{value}"
        if code in catalogue():
            return say(code, lang)
    return _plain(value, lang)


def _entry(name: str, value: JSON, texts: Mapping[str, Any]) -> Mapping[str, str] | None:
    """The rule's own words for a value. A fact may be the value: then by its cause, or as unknown, or as any other."""
    table: Mapping[str, Mapping[str, str]] = texts.get(_TRANSLATED.get(name, ""), {})
    if isinstance(value, Mapping):
        return table.get(str(value.get("unknown")), table.get("unknown"))
    return table.get(value, table.get("other")) if isinstance(value, str) else None


def _plain(value: JSON, lang: str) -> str:
    if isinstance(value, Mapping):
        if isinstance(value.get("unknown"), str):
            return say("policy.unknown-value", lang, cause=value["unknown"])
        return ", ".join(f"{name}={_plain(item, lang)}" for name, item in value.items())
    if isinstance(value, list):
        return ", ".join(_plain(item, lang) for item in value) or "–"
    if isinstance(value, bool):
        return say("policy.yes" if value else "policy.no", lang)
    return str(value) if value not in (None, "") else "–"


class _Lenient(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "–"
