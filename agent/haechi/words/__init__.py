"""Words for people, in Korean and English, beside each other in ``*.yaml`` so that neither can drift.

A file maps a code to ``{ko: …, en: …}``; ``{name}`` in the text is filled from parameters. Files are loaded once.
"""

from __future__ import annotations

import functools
import locale
import os
from collections.abc import Mapping
from importlib import resources

import yaml

LANGUAGES = ("en", "ko")


@functools.cache
def catalogue() -> Mapping[str, Mapping[str, str]]:
    """Every code with its words in each language. Raises ``ValueError`` for a code defined twice."""
    words: dict[str, Mapping[str, str]] = {}
    for file in sorted(resources.files(__name__).iterdir(), key=lambda f: f.name):
        if not file.name.endswith(".yaml"):
            continue
        # libyaml: every command pays for this before its first word. Codes given twice in one file: a test looks.
        read = yaml.load(file.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
        for code, texts in (read or {}).items():
            if code in words:
                raise ValueError(f"{file.name} defines {code} a second time")
            words[code] = texts
    return words


def language() -> str:
    """The person's language: HAECHI_LANG, else the locale; English where neither says Korean."""
    wanted = os.environ.get("HAECHI_LANG") or os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES")
    wanted = wanted or os.environ.get("LANG") or (locale.getlocale()[0] or "")
    return "ko" if wanted.lower().startswith("ko") else "en"


def say(code: str, /, lang: str | None = None, **params: object) -> str:
    """The words of a code. An unknown code says itself with its parameters: a message is never lost."""
    texts = catalogue().get(code)
    if texts is None:
        return f"{code} {dict(params)}" if params else code
    text = texts.get(lang or language()) or texts["en"]
    return text.format_map(_Lenient(params))


def unknown(cause: str, lang: str | None = None) -> str:
    """An unknown fact in half a sentence: that it is unknown, and why. What to do about it is told elsewhere."""
    return say("unknown-because", lang, cause=why_unknown(cause, lang))


def why_unknown(cause: str, lang: str | None = None) -> str:
    """Why a fact is unknown, in one clause. A cause without words says itself."""
    code = f"unknown.{cause}"
    return say(code, lang).split(". ")[0].rstrip(".") if code in catalogue() else cause


class _Lenient(dict[str, object]):
    def __missing__(self, key: str) -> str:
        return "{" + key + "}"
