"""Adds an entry to a registry's text and leaves the rest of it as it is: comments, order, quotes.

Nothing is guessed: what the schema asks for and was not given is refused by its name. The result is read again like
any registry before it is given out, and it holds what was there and the new entry, nothing else. Must not know: keys,
signatures, files.
"""

from __future__ import annotations

import datetime as dt
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from haechi.domain.errors import HaechiError
from haechi.domain.registry import KST
from haechi.outbound.registry.form import SECTIONS
from haechi.outbound.registry.reading import check_registry
from haechi.outbound.registry.sources import is_json
from haechi.outbound.trust.document import moment, parse_document

NAMED: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "account": ("accounts", {}),
    "key": ("keys", {}),
    "person": ("personnel", {}),
    "takeout": ("takeouts", {}),
    "approval": ("authorisations", {"kind": "approval"}),
    "declaration": ("authorisations", {"kind": "declaration"}),
    "exemption": ("exemptions", {}),
    "order": ("orders", {}),
    "recipient": ("recipients", {}),
    "host": ("watched", {}),
    "attestation": ("attestations", {}),
}
"""What can be added: the list that it stands in, and what its name says already."""

_LISTS = ("os_users", "access_keys", "technologies", "digests", "persons", "destinations")
SINGLE = {"technology": "technologies", "digest": "digests", "os_user": "os_users", "access_key": "access_keys",
          "destination": "destinations"}  # fmt: skip
"""Names for one of a list."""
_BARE = re.compile(r"[A-Za-z가-힣][\w가-힣.-]*|\d{4}-\d{2}-\d{2}")
"""Text that YAML takes for text (or a date, which is text here) without quotes; some words are quoted all the same."""
_WORDS = ("true", "false", "yes", "no", "on", "off", "null", "y", "n")


@dataclass(frozen=True, slots=True)
class Added:
    """A registry with one entry more. ``entry`` is what was added, ``section`` where."""

    raw: bytes
    section: str
    entry: Mapping[str, Any]
    sequence: int
    issued_at: dt.datetime


def entry_from(what: str, pairs: Sequence[str], today: dt.date) -> tuple[str, dict[str, Any]]:
    """From ``field=value`` texts to an entry, and the list that it belongs in.

    Lists are separated by commas, or the field is given several times. ``destination`` is ``country=JP`` and the like,
    with commas between: ``destination=country=KR,provider=aws,account=1111``. ``today`` is today in Korea.
    Raises ``HaechiError('registry.field-odd')`` for a field that such an entry does not have, or that has no value.
    """
    section, kind = NAMED[what]
    entry: dict[str, Any] = dict(kind)
    known = SECTIONS[section][0].__struct_fields__
    for pair in pairs:
        name, equals, value = pair.partition("=")
        field = SINGLE.get(name, name)
        if not equals or field not in known or (field in entry and field not in _LISTS):
            raise HaechiError("registry.field-odd", field=pair[:100], what=what, known=", ".join(sorted(known)))
        if field == "destinations":
            entry.setdefault(field, []).append(_place(pair, value, what))
        elif field in _LISTS:
            entry[field] = value if value == "all" else [*entry.get(field, []), *value.split(",")]
        elif field == "comprehensive":
            entry[field] = value.lower() in ("true", "yes")
        else:
            entry[field] = today.isoformat() if value == "today" else value
    first = {"id": entry.pop("id")} if "id" in entry else {}
    return section, {**first, **entry}


def _place(pair: str, value: str, what: str) -> dict[str, str]:
    steps = [step.partition("=") for step in value.split(",")]
    if any(not equals for _, equals, _ in steps):
        raise HaechiError(
            "registry.field-odd", field=pair[:100], what=what, known="destination=country=KR,provider=aws,account=…"
        )
    return {name: told for name, _, told in steps}


def added(raw: bytes, name: str, section: str, entry: Mapping[str, Any], now: dt.datetime) -> Added:
    """The registry with the entry, the next sequence, and ``now`` (aware) as its time of issue, written in Korean time.

    Raises ``HaechiError``: what ``check_registry`` finds in the registry of before, ``registry.entry-odd`` for an entry
    that it refuses, ``registry.not-edited`` where the text could not be changed without changing what it says.
    """
    before, faults = check_registry(raw, name)
    if before is None:
        raise faults[0]
    issued = now.astimezone(KST).replace(microsecond=0)
    sequence = before.sequence + 1
    head = {"sequence": sequence, "issued_at": issued.isoformat()}
    fresh = _in_json(raw, section, entry, head) if is_json(raw) else _in_yaml(raw, section, entry, head)
    after, faults = check_registry(fresh, name)
    if after is None:
        params = faults[0].params
        field = str(params.get("field", ""))
        raise HaechiError("registry.entry-odd", field=field.rpartition("].")[2] or field, cause=params.get("cause", ""))
    if not is_json(raw) and said(fresh) != _expected(raw, section, entry, head):
        raise HaechiError("registry.not-edited", file=name)
    return Added(fresh, section, entry, sequence, issued)


def _in_json(raw: bytes, section: str, entry: Mapping[str, Any], head: Mapping[str, Any]) -> bytes:
    document: dict[str, Any] = msgspec.json.decode(raw)
    document |= head
    document.setdefault(section, []).append(dict(entry))
    return msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n"


def round_trip() -> YAML:
    """Reads and writes what people wrote, with its comments, order and quotes."""
    yaml = YAML(typ="rt")
    yaml.preserve_quotes = True
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml


def _in_yaml(raw: bytes, section: str, entry: Mapping[str, Any], head: Mapping[str, Any]) -> bytes:
    yaml = round_trip()
    document = yaml.load(raw)
    document["sequence"] = head["sequence"]
    document["issued_at"] = DoubleQuotedScalarString(head["issued_at"])
    listed = document.get(section)
    if listed is None:
        document[section] = listed = CommentedSeq()
    if isinstance(listed, CommentedSeq) and not listed:
        listed.fa.set_block_style()
    _append(listed, written(entry))
    text = io.BytesIO()
    yaml.dump(document, text)
    return text.getvalue()


def _append(listed: CommentedSeq, entry: CommentedMap) -> None:
    """Behind the last entry, whose comment below it belongs to what follows the list: it stays there."""
    listed.append(entry)
    last = listed[-2] if len(listed) > 1 else None
    below = comment_below(last) if isinstance(last, CommentedMap) else None
    if below is None:
        return
    entry.ca.items[list(entry)[-1]] = [None, None, below, None]


def comment_below(entry: CommentedMap) -> Any:
    """Take away the comment that stands in the lines under an entry's last value."""
    owner: Any = entry
    key: Any = list(entry)[-1] if entry else None
    while key is not None and isinstance(owner[key], CommentedMap | CommentedSeq) and not owner[key].fa.flow_style():
        owner = owner[key]
        key = (list(owner)[-1] if isinstance(owner, CommentedMap) else len(owner) - 1) if len(owner) else None
    found = owner.ca.items.get(key)
    at = 2 if isinstance(owner, CommentedMap) else 0
    if not found or len(found) <= at or found[at] is None or not found[at].value.startswith("\n"):
        return None
    token, found[at] = found[at], None
    return token


def written(value: Any) -> Any:
    """As a person would write it: blocks, lists of plain words and places in one line, quotes where they are needed."""
    if isinstance(value, Mapping):
        mapping = CommentedMap((name, written(one)) for name, one in value.items())
        return mapping
    if isinstance(value, list):
        listed = CommentedSeq(written(one) for one in value)
        if all(isinstance(one, str) for one in value):
            listed.fa.set_flow_style()
        for one in listed:
            if isinstance(one, CommentedMap):
                one.fa.set_flow_style()
        return listed
    if isinstance(value, str) and isinstance(moment(value), dt.date) and len(value) == len("2026-01-31"):
        return dt.date.fromisoformat(value)  # written without quotes
    if isinstance(value, str) and (not _BARE.fullmatch(value) or value.lower() in _WORDS):
        return DoubleQuotedScalarString(value)
    return value


def said(raw: bytes) -> Any:
    """What a registry in YAML says, as plain data."""
    return parse_document(raw, "registry.yaml", "registry").data


def _expected(raw: bytes, section: str, entry: Mapping[str, Any], head: Mapping[str, Any]) -> Any:
    data = said(raw)
    return {**data, **head, section: [*data.get(section, []), dict(entry)]}
