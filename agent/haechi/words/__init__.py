"""Words for people, in Korean and English, beside each other in ``*.yaml`` so that neither can drift.

A file maps a code to ``{ko: …, en: …}``; ``{name}`` in the text is filled from parameters. Files are loaded once.
"""

from __future__ import annotations

import functools
import locale
import os
from collections.abc import Mapping
from importlib import resources

from ruamel.yaml import YAML

LANGUAGES = ("en", "ko")


@functools.cache
def catalogue() -> Mapping[str, Mapping[str, str]]:
    """Every code with its words in each language. Raises ``ValueError`` for a code defined twice."""
    words: dict[str, Mapping[str, str]] = {}
    reader = YAML(typ="safe", pure=True)
    for file in sorted(resources.files(__name__).iterdir(), key=lambda f: f.name):
        if not file.name.endswith(".yaml"):
            continue
        for code, texts in (reader.load(file.read_text(encoding="utf-8")) or {}).items():
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


class _Lenient(dict[str, object]):
    def __missing__(self, key: str) -> str:
        return "{" + key + "}"
