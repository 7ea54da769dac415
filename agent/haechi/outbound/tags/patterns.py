"""Patterns of file names, written as in ``.gitignore``, matched in time that grows with the name and no faster.

Their authors are anyone: a matcher that tries one way after the other (as ``re`` does) takes for ever over a name that
nearly fits, and meanwhile nothing else runs. So pathspec says what a pattern means, and RE2 matches it.
"""

from __future__ import annotations

from collections.abc import Sequence

import re2
from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

LONGEST = 512
"""Characters in one pattern."""
_MEMORY = 1 << 20
"""Bytes for the states of one pattern; beyond, RE2 goes on without keeping them."""
_STAND_INS = {code: 0x100000 + code for code in range(0xD800, 0xE000)}
"""Bytes of a name that are no text (surrogates, for Python) stand as private characters, which RE2 takes."""


class Patterns:
    """Some patterns, relative to one folder."""

    def __init__(self, patterns: Sequence[str]) -> None:
        """Raises ``ValueError`` for what is no pattern, or is too long. Exceptions (``!``) would loosen, and count as
        none; so do comments and blanks.
        """
        self._matchers = [_matcher(pattern) for pattern in patterns]
        self.everything = any(pattern in ("*", "**") for pattern in patterns)
        """Whether no name needs matching."""

    def match(self, name: str) -> bool:
        """Whether one of them means this file, or a folder above it. ``name`` is relative, without ``/`` in front."""
        if self.everything:
            return True
        raw = _text(name).encode()
        return any(matcher.search(raw) for matcher in self._matchers)


def _matcher(pattern: str) -> re2._Regexp:
    if len(pattern) > LONGEST or pattern[:1] in ("!", "#"):
        raise ValueError(pattern[:LONGEST])
    expression, _ = GitIgnoreSpecPattern.pattern_to_regex(pattern)
    if expression is None:
        raise ValueError(pattern)
    options = re2.Options()
    options.max_mem = _MEMORY
    options.log_errors = False
    options.never_capture = True
    options.dot_nl = True  # names may hold any character but "/"
    try:
        return re2.compile(_text(expression).encode(), options)
    except re2.error as error:
        raise ValueError(pattern) from error


def _text(name: str) -> str:
    return name if name.isascii() else name.translate(_STAND_INS)


EVERYTHING = Patterns(["*"])
