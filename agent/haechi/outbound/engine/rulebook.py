"""The words of the rules: what a finding is told in, in Korean and English. Rendered here, never in Rego.

``words.yaml`` beside a rule holds ``title``, ``message``, ``remedy``, ``why``, each ``{ko, en}``; ``reasons`` and
``labels`` translate the parameters ``reason`` and ``role``, ``remedies`` may hold another remedy for a reason or
cause, ``clouds`` other words for a provider, ``unseen`` those for content of which nobody saw enough to name it; other
values are told by ``haechi.words`` (``value.<parameter>.<value>``, a cause by ``unknown.<cause>``). Must not know
engines.

What a rule says may rest on a fact that nobody knows, and is then caution, not fact. ``unsure`` names the parameters
that it rests on (``by``), and may hold a ``message`` of its own for that case, which may also name ``{why}``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from haechi.domain.decision import KNOWN_ENOUGH
from haechi.domain.facts import JSON
from haechi.outbound.engine.folder import PolicyFolder
from haechi.words import LANGUAGES, catalogue, say, unknown, why_unknown

_UNNAMED = {"container": "container", "name": "container", "replica": "replica", "key": "key"}
"""What stands for an empty name, where no role says more."""
ABOUT: Final = "@"
"""Begins the name of what is no parameter of the finding but says where it was made: ``@cloud`` (the provider) and
``@operation``. Words that differ there stand under ``clouds`` and, of content that nobody saw, ``unseen``.
"""
_TRANSLATED = {"reason": "reasons", "role": "labels"}


@dataclass(frozen=True, slots=True)
class RuleWords:
    """One finding told in one language. ``unsure``: it rests on something unknown, whatever its rule's basis is."""

    title: str
    message: str
    remedy: str
    why: str
    unsure: bool = False


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
        about = {name[1:]: value for name, value in params.items() if name.startswith(ABOUT)}
        params = {name: value for name, value in params.items() if not name.startswith(ABOUT)}
        texts = self._words.get(rule_id)
        language = lang if lang in LANGUAGES else "en"
        if texts is None:
            told = ", ".join(f"{name}={_plain(value, language)}" for name, value in params.items())
            return RuleWords(rule_id, f"{rule_id} ({told})" if told else rule_id, "", "")
        filled = _Lenient({name: _told(name, value, texts, language) for name, value in params.items()})
        for name in ("container", "name", "replica", "key"):
            if params.get(name) == "":
                filled[name] = say(f"value.unnamed.{params.get('role', _UNNAMED[name])}", language)
        reason = _entry("reason", params.get("reason"), texts)
        if reason is not None:
            # The rule's own text, which may name parameters; what came from outside is never a template.
            filled["reason"] = str(reason[language]).format_map(filled)
        doubt: Mapping[str, Any] = texts.get("unsure", {})
        cause = next(filter(None, (_cause(params.get(name)) for name in doubt.get("by", ()))), "")
        unseen = texts.get("unseen", {}) if params.get("name") == "" else {}
        said = {**texts, **_at(texts.get("clouds", {}), about.get("cloud")), **unseen}
        said |= _at(unseen.get("operations", {}), about.get("operation"))
        said |= {"message": doubt["message"]} if cause and "message" in doubt else {}
        named = params.get("reason", params.get("cause"))
        said["remedy"] = texts.get("remedies", {}).get(named if isinstance(named, str) else "", said.get("remedy", {}))
        if cause:
            filled["why"] = why_unknown(cause, language)
        title, message, remedy, why = (
            str(said.get(part, {}).get(language, "")).format_map(filled)
            for part in ("title", "message", "remedy", "why")
        )
        return RuleWords(title, message, remedy, why, unsure=bool(cause or unseen))


def _at(table: Mapping[str, Any], name: JSON) -> Mapping[str, Any]:
    """The words that stand under a name; none where it has none."""
    found = table.get(name) if isinstance(name, str) else None
    return found if isinstance(found, Mapping) else {}


def _cause(value: JSON) -> str:
    """Why a value is unknown; empty where it is known, or where what matters of it is."""
    cause = value.get("unknown") if isinstance(value, Mapping) else None
    return cause if isinstance(cause, str) and cause not in KNOWN_ENOUGH else ""


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
            return unknown(str(value["unknown"]), lang)
        return ", ".join(f"{name}={_plain(item, lang)}" for name, item in value.items())
    if isinstance(value, list):
        return ", ".join(_plain(item, lang) for item in value) or "–"
    if isinstance(value, bool):
        return say("policy.yes" if value else "policy.no", lang)
    return str(value) if value not in (None, "") else "–"


class _Lenient(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "–"
