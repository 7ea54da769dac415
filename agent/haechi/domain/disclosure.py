"""What a request says in the clear, and which sensitive words are in it (R31).

Names, tags and metadata travel and are stored outside layer 1, whatever becomes of the content. A connector lists them
with the place where they stand; only the place and the word found go on from here, never the text, which is somebody's
own. Must not know: policies, how words are chosen, headers of any provider.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from haechi.domain.content import Content
from haechi.domain.facts import JSON

MOST_TEXT = 64 * 1024
"""Characters that are looked through; what a store takes of names, tags and metadata is a fraction of it."""
_SEPARATORS = re.compile(r"[\s_.+/-]+")


class Where(StrEnum):
    """Where a text stands."""

    CONTAINER = "container"
    KEY = "key"
    TAG = "tag"
    METADATA = "metadata"
    FILENAME = "filename"
    """A file name in a header, such as Content-Disposition's."""


@dataclass(frozen=True, slots=True)
class Said:
    """One text that a request says in the clear, decoded as far as its header goes."""

    where: Where
    text: str


@dataclass(frozen=True, slots=True)
class SensitiveWord:
    """A word that was found, as the institution (or the catalogue) writes it."""

    where: Where
    word: str

    def as_json(self) -> dict[str, JSON]:
        """The form used in the policy input."""
        return {"where": self.where.value, "word": self.word}


def sensitive_words(said: Iterable[Said], content: Content, words: Iterable[str]) -> tuple[SensitiveWord, ...]:
    """Which of the words, or of the content's own technologies, stand where; in order, each once a place.

    Nothing is looked for where no tagged content was recognised: what somebody calls other files is not our business.
    Case, form of letters (NFKC) and separators make no difference; a word of ASCII letters is found as a whole word.
    """
    if not content.matches:
        return ()
    wanted = tuple(dict.fromkeys([*words, *(tag.technology for tag in content.tags)]))
    found: dict[SensitiveWord, None] = {}
    left = MOST_TEXT
    for one in said:
        text = normal(one.text[:left])
        left -= min(left, len(one.text))
        for word in wanted:
            if _stands(word, text):
                found[SensitiveWord(one.where, word)] = None
    return tuple(found)


def normal(text: str) -> str:
    """A text for comparing: NFKC, case folded, each run of separators one space."""
    return _SEPARATORS.sub(" ", unicodedata.normalize("NFKC", text).casefold()).strip()


def _stands(word: str, text: str) -> bool:
    plain, whole = _wanted(word)
    return plain in text and (whole is None or whole.search(text) is not None)


@lru_cache(maxsize=4096)
def _wanted(word: str) -> tuple[str, re.Pattern[str] | None]:
    """A word for comparing. Korean joins particles to words, so that only Latin ones are asked to stand alone."""
    plain = normal(word)
    return plain, re.compile(rf"(?<![0-9a-z]){re.escape(plain)}(?![0-9a-z])") if plain.isascii() else None
