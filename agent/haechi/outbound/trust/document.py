"""YAML that people sign: read strictly, within bounds, and with the line of every field.

Refused: anchors and aliases (a few lines can grow to gigabytes), tags, several documents, duplicate keys, keys that
are no text, files over ``MAX_BYTES``, nesting over ``MAX_DEPTH``. Dates stay text: what they mean is for the reader
of the field to say.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.tokens import (
    AliasToken,
    AnchorToken,
    BlockEndToken,
    BlockMappingStartToken,
    BlockSequenceStartToken,
    DirectiveToken,
    DocumentEndToken,
    FlowMappingEndToken,
    FlowMappingStartToken,
    FlowSequenceEndToken,
    FlowSequenceStartToken,
    TagToken,
)

from haechi.domain.errors import HaechiError

MAX_BYTES = 4 * 1024 * 1024
MAX_DEPTH = 32
FIRST_YEAR, LAST_YEAR = 1900, 9000
"""Beyond lies what a calendar cannot count on from, or turn into another zone's time."""

Place = tuple[str | int, ...]

_PLAIN = "tag:yaml.org,2002:"
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True, slots=True)
class Document:
    """The data of a file, with the line (from 1) of every mapping entry and list item."""

    name: str
    area: str
    data: Any
    lines: dict[Place, int]

    def line(self, place: Place) -> int:
        """The line of a field, or of the nearest thing around it."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)

    def fault(self, place: Place, cause: str) -> HaechiError:
        """``<area>.malformed`` with file, line, field and cause."""
        return HaechiError(
            f"{self.area}.malformed", file=self.name, line=self.line(place), field=dotted(place), cause=cause
        )


def dotted(place: Place) -> str:
    """A field's place as people write it: ``approvals[2].valid_from``."""
    text = ""
    for step in place:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text or "."


def read_bytes(path: Path, area: str) -> bytes:
    """A file's bytes, one more at most than ``parse_document`` takes. Raises ``HaechiError('<area>.missing')``."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise HaechiError(f"{area}.missing", file=str(path), cause=error.strerror or "") from error


def parse_document(raw: bytes, name: str, area: str) -> Document:
    """The document in bytes (whose signature was checked over just these bytes).

    Raises ``HaechiError``: ``<area>.too-large``, ``<area>.malformed``.
    """
    if len(raw) > MAX_BYTES:
        raise HaechiError(f"{area}.too-large", file=name, limit=MAX_BYTES)
    document = Document(name, area, None, {})
    try:
        text = raw.decode("utf-8")
        _refuse_tricks(text, document)
        node = YAML(typ="safe", pure=True).compose(text)
        data = None if node is None else _value(node, (), document)
    except UnicodeError as error:
        raise document.fault((), "not-utf-8") from error
    except MarkedYAMLError as error:
        document.lines[()] = error.problem_mark.line + 1 if error.problem_mark else 1
        raise document.fault((), error.problem or "syntax") from error
    except (YAMLError, ValueError) as error:
        raise document.fault((), "syntax") from error
    except RecursionError as error:
        raise document.fault((), "too-deep") from error
    return Document(name, area, data, document.lines)


_TRICKS = {
    AliasToken: "alias",
    AnchorToken: "anchor",
    TagToken: "tag",
    DirectiveToken: "directive",
    DocumentEndToken: "several-documents",
}


_OPENING = (BlockMappingStartToken, BlockSequenceStartToken, FlowMappingStartToken, FlowSequenceStartToken)
_CLOSING = (BlockEndToken, FlowMappingEndToken, FlowSequenceEndToken)


def _refuse_tricks(text: str, document: Document) -> None:
    """Before anything is built: scanning deep nesting alone takes time that grows with its square."""
    depth = 0
    for token in YAML(typ="safe", pure=True).scan(text):
        depth += isinstance(token, _OPENING) - isinstance(token, _CLOSING)
        cause = "too-deep" if depth > MAX_DEPTH else _TRICKS.get(type(token))
        if cause:
            document.lines[()] = token.start_mark.line + 1
            raise document.fault((), cause)


def _value(node: Node, place: Place, document: Document) -> Any:
    document.lines.setdefault(place, node.start_mark.line + 1)
    if len(place) > MAX_DEPTH:
        raise document.fault(place, "too-deep")
    if isinstance(node, MappingNode):
        data: dict[str, Any] = {}
        for name, value in node.value:
            if not isinstance(name, ScalarNode):
                raise document.fault(place, "key-not-text")
            inner = (*place, name.value)
            if name.value in data:
                document.lines[inner] = name.start_mark.line + 1
                raise document.fault(inner, "duplicate-key")
            document.lines[inner] = name.start_mark.line + 1
            data[name.value] = _value(value, inner, document)
        return data
    if isinstance(node, SequenceNode):
        return [_value(item, (*place, at), document) for at, item in enumerate(node.value)]
    if not isinstance(node, ScalarNode):
        raise document.fault(place, "alias")
    return _scalar(node, place, document)


def _scalar(node: ScalarNode, place: Place, document: Document) -> Any:
    kind = str(node.tag).removeprefix(_PLAIN)
    text: str = node.value
    if kind in ("str", "timestamp"):
        if not text.isascii():
            text.encode()  # an escaped half of a character pair is no text: ValueError
        return text
    if kind == "null":
        return None
    if kind == "bool":
        return text.lower() == "true"
    if kind in ("int", "float"):
        try:
            return int(text) if kind == "int" else float(text)
        except ValueError as error:
            # Hexadecimal, octal and the like: whoever means text has to quote it.
            raise document.fault(place, "number") from error
    raise document.fault(place, "tag")


def moment(value: object) -> dt.date | dt.datetime | None:
    """A date (``2026-01-31``) or an instant with its offset (RFC 3339). None for anything else: no time is guessed."""
    if not isinstance(value, str):
        return None
    try:
        if _DATE.fullmatch(value):
            return dt.date.fromisoformat(value)
        found = dt.datetime.fromisoformat(value)
    except ValueError:
        return None
    return found if found.tzinfo else None
