"""Changes an entry of a registry's text, or takes it away, and leaves the rest of it as it is.

As ``editing``: what comes out was read again like any registry, and says what was there but for that one entry. An
entry that goes leaves the comments above it, which may be about more than itself. Must not know: keys, signatures,
files.
"""

from __future__ import annotations

import datetime as dt
import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from haechi.domain.errors import HaechiError
from haechi.domain.registry import KST
from haechi.domain.registry.comparison import Change, compare
from haechi.outbound.registry.editing import (
    NAMED,
    SINGLE,
    comment_below,
    entry_from,
    round_trip,
    said,
    written,
)
from haechi.outbound.registry.form import SECTIONS
from haechi.outbound.registry.reading import check_registry
from haechi.outbound.registry.sources import is_json
from haechi.outbound.trust.document import parse_document

_NAMING: Mapping[str, tuple[str, ...]] = {
    "accounts": ("provider", "id"),
    "keys": ("provider", "id"),
    "watched": ("host",),
}
"""By which fields an entry is called; all others by ``id``. As ``comparison`` names them."""
_SEQUENCE = re.compile(rb"^(sequence\s*:\s*)[0-9]+", re.MULTILINE)
_ISSUED = re.compile(rb"""^(issued_at\s*:\s*)("[^"\n]*"|'[^'\n]*'|[^\s#]+)""", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Revised:
    """A registry with one entry changed or gone. ``change`` is what that does."""

    raw: bytes
    section: str
    sequence: int
    issued_at: dt.datetime
    change: Change


def fields_from(what: str, pairs: Sequence[str], today: dt.date) -> dict[str, Any]:
    """New values from ``field=value`` texts, as for ``entry_from``; None for ``field=``, which takes the field away.

    Raises ``HaechiError('registry.field-odd')`` also for the fields by which the entry is called.
    """
    section, kind = NAMED[what]
    emptied = [pair for pair in pairs if pair.partition("=")[1:] == ("=", "")]
    _, fields = entry_from(what, [pair for pair in pairs if pair not in emptied], today)
    changed = {name: value for name, value in fields.items() if name not in kind}
    for pair in emptied:
        changed[SINGLE.get(pair[:-1], pair[:-1])] = None
    known = [name for name in SECTIONS[section][0].__struct_fields__ if name not in (*_naming(section), *kind)]
    for name in changed:
        if name not in known:
            raise HaechiError("registry.field-odd", field=name[:100], what=what, known=", ".join(sorted(known)))
    return changed


def changed(raw: bytes, name: str, what: str, number: str, fields: Mapping[str, Any], now: dt.datetime) -> Revised:
    """The registry with other values in one entry, the next sequence, and ``now`` (aware) as its time of issue.

    Raises ``HaechiError``: what ``check_registry`` finds in the registry of before, ``registry.no-entry``,
    ``registry.same-entry``, ``registry.entry-odd`` for values that it refuses, ``registry.not-edited``.
    """
    section = NAMED[what][0]

    def revise(document: dict[str, Any], at: int) -> dict[str, Any]:
        entry = document[section][at]
        fresh = {key: value for key, value in {**entry, **fields}.items() if value is not None}
        if fresh == entry:
            raise HaechiError("registry.same-entry", id=number)
        return {**document, section: [*document[section][:at], fresh, *document[section][at + 1 :]]}

    def text(head: Mapping[str, Any], at: int) -> bytes:
        return _in_text(raw, head, lambda document: _set(document[section][at], fields))

    return _revised(raw, name, what, number, now, revise, text)


def removed(raw: bytes, name: str, what: str, number: str, now: dt.datetime) -> Revised:
    """The registry without one entry; else as ``changed``."""
    section = NAMED[what][0]

    def revise(document: dict[str, Any], at: int) -> dict[str, Any]:
        return {**document, section: [*document[section][:at], *document[section][at + 1 :]]}

    def text(head: Mapping[str, Any], at: int) -> bytes:
        def delete(document: CommentedMap) -> None:
            del document[section][at]

        return _without_lines(raw, head, section, at) or _in_text(raw, head, delete)

    return _revised(raw, name, what, number, now, revise, text)


def _revised(
    raw: bytes,
    name: str,
    what: str,
    number: str,
    now: dt.datetime,
    revise: Callable[[dict[str, Any], int], dict[str, Any]],
    text: Callable[[Mapping[str, Any], int], bytes],
) -> Revised:
    before, faults = check_registry(raw, name)
    if before is None:
        raise faults[0]
    issued = now.astimezone(KST).replace(microsecond=0)
    head = {"sequence": before.sequence + 1, "issued_at": issued.isoformat()}
    document: dict[str, Any] = msgspec.json.decode(raw) if is_json(raw) else said(raw)
    at = _place_of(document, what, number)
    expected = {**revise(document, at), **head}
    fresh = msgspec.json.format(msgspec.json.encode(expected), indent=1) + b"\n" if is_json(raw) else text(head, at)
    after, faults = check_registry(fresh, name)
    if after is None:
        params = faults[0].params
        field = str(params.get("field", ""))
        raise HaechiError("registry.entry-odd", field=field.rpartition("].")[2] or field, cause=params.get("cause", ""))
    changes = compare(before, after)
    if len(changes) != 1 or (not is_json(raw) and said(fresh) != expected):
        raise HaechiError("registry.not-edited", file=name)
    return Revised(fresh, NAMED[what][0], before.sequence + 1, issued, changes[0])


def _place_of(document: Mapping[str, Any], what: str, number: str) -> int:
    section, kind = NAMED[what]
    naming = _naming(section)
    for at, entry in enumerate(document.get(section, [])):
        same = all(entry.get(field) == value for field, value in kind.items())
        if same and "/".join(str(entry.get(field)) for field in naming) == number:
            return at
    raise HaechiError("registry.no-entry", what=what, id=number[:100], form="/".join(naming))


def _naming(section: str) -> tuple[str, ...]:
    return _NAMING.get(section, ("id",))


def _in_text(raw: bytes, head: Mapping[str, Any], edit: Callable[[CommentedMap], None]) -> bytes:
    yaml = round_trip()
    document = yaml.load(raw)
    document["sequence"] = head["sequence"]
    document["issued_at"] = DoubleQuotedScalarString(head["issued_at"])
    edit(document)
    text = io.BytesIO()
    yaml.dump(document, text)
    return text.getvalue()


def _set(entry: CommentedMap, fields: Mapping[str, Any]) -> None:
    """The comment in the lines under the entry belongs to what follows, and stays there."""
    below = comment_below(entry)
    for name, value in fields.items():
        if value is None:
            entry.pop(name, None)
        else:
            entry[name] = written(value)
    if below is None:
        return
    owner: Any = entry
    last: Any = list(entry)[-1]
    while isinstance(owner[last], CommentedMap | CommentedSeq) and not owner[last].fa.flow_style() and owner[last]:
        owner = owner[last]
        last = list(owner)[-1] if isinstance(owner, CommentedMap) else len(owner) - 1
    owner.ca.items[last] = [None, None, below, None] if isinstance(owner, CommentedMap) else [below, None, None, None]


def _without_lines(raw: bytes, head: Mapping[str, Any], section: str, at: int) -> bytes | None:
    """The text without the lines of an entry; None where it does not stand on lines of its own."""
    document = parse_document(raw, "registry.yaml", "registry")
    count, lines = len(document.data[section]), raw.splitlines(keepends=True)
    first = document.lines[section, at]
    if first == document.lines[section,] or not lines[first - 1].lstrip().startswith(b"-"):
        return None
    starts = [line for (place, line) in document.lines.items() if len(place) == 1 and line > first]
    behind = document.lines[section, at + 1] if at + 1 < count else min(starts, default=len(lines) + 1)
    while behind - 1 > first and lines[behind - 2].strip()[:1] in (b"", b"#"):
        behind -= 1  # about what follows
    del lines[first - 1 : behind - 1]
    if count == 1:
        key = document.lines[section,] - 1
        lines[key] = re.sub(rb"^([a-z]+\s*:)", rb"\1 []", lines[key], count=1)
    text, sequences = _SEQUENCE.subn(rb"\g<1>%d" % head["sequence"], b"".join(lines))
    text, moments = _ISSUED.subn(b'\\g<1>"%s"' % str(head["issued_at"]).encode(), text)
    return text if sequences == moments == 1 else None
