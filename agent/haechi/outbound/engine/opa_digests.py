"""What OPA hashes of a bundle's files, and what its signature says of them.

Most files are hashed byte by byte. ``.manifest`` and ``data.json`` are hashed by what they mean: objects with their
keys in order, numbers as they are written, text as Go writes it. Source: OPA's documentation of bundle signatures, and
its verifier, which the tests ask. Must not know: tar, keys, policies.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

ALGORITHM = "SHA-256"
_STRUCTURED = (".manifest", "data.json")
_ESCAPED = re.compile('[\\x00-\\x1f"\\\\\u2028\u2029]')
_SHORT = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}


class _Number(str):
    """A number as it is written."""

    __slots__ = ()


def digest_of(name: str, content: bytes) -> str:
    """The digest of one file, hex. Raises ``ValueError`` for a structured one that is no plain JSON."""
    if name not in _STRUCTURED:
        return hashlib.sha256(content).hexdigest()
    hasher = hashlib.sha256()
    try:
        for piece in _pieces(strict_json(content, numbers=_Number)):
            hasher.update(piece.encode())
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    return hasher.hexdigest()


def strict_json(content: bytes, *, numbers: Any = None) -> Any:
    """JSON without duplicate keys and without numbers that are none: readers differ on those. ``numbers`` makes a value
    of a number's text. Raises ``ValueError``.
    """
    try:
        return json.loads(
            content.decode(),
            object_pairs_hook=_once,
            parse_int=numbers,
            parse_float=numbers,
            parse_constant=_refused,
        )
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a key stands twice")
    return made


def _refused(text: str) -> Any:
    raise ValueError(f"{text} is no number")


def _pieces(value: object) -> Iterator[str]:
    if isinstance(value, Mapping):
        yield "{"
        for at, key in enumerate(sorted(value)):  # by code points, which is the order of the bytes in UTF-8
            yield f"{',' if at else ''}{_text(key)}:"
            yield from _pieces(value[key])
        yield "}"
    elif isinstance(value, list):
        yield "["
        for at, item in enumerate(value):
            yield "," if at else ""
            yield from _pieces(item)
        yield "]"
    elif isinstance(value, _Number):
        yield str(value)
    elif isinstance(value, str):
        yield _text(value)
    else:
        yield {True: "true", False: "false", None: "null"}[value]  # type: ignore[index]


def _text(text: str) -> str:
    text.encode()  # half a character pair is no text: ValueError
    return '"' + _ESCAPED.sub(lambda found: _SHORT.get(found[0]) or f"\\u{ord(found[0]):04x}", text) + '"'
