"""Write records out: as they are, as OCSF, or as a table. Streams; whatever the log's length, memory is constant."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Any

import msgspec

from haechi.domain.audit import Record
from haechi.outbound.audit.ocsf import ocsf_event


class Format(StrEnum):
    """Forms of export."""

    JSONL = "jsonl"
    """The records themselves. Members are the log's own; verification wants the original files."""
    OCSF = "ocsf"
    CSV = "csv"


COLUMNS = (
    "seq",
    "time",
    "kind",
    "id",
    "effect",
    "rules",
    "causes",
    "provider",
    "operation",
    "container",
    "key",
    "user",
    "executable",
    "content",
    "technologies",
    "files",
    "hash",
)

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def exported(records: Iterable[Record], form: Format, *, host: str, version: str) -> Iterator[bytes]:
    """The export, line by line (UTF-8, line feeds). ``host`` and ``version`` stand in OCSF events."""
    if form is Format.CSV:
        yield _row(COLUMNS)
        for record in records:
            yield _row(_cells(record))
        return
    for record in records:
        if form is Format.OCSF:
            event = ocsf_event(record, host, version)
            if event is not None:
                yield msgspec.json.encode(event) + b"\n"
        else:
            yield msgspec.json.encode(record) + b"\n"


def _cells(record: Record) -> list[str]:
    event: Mapping[str, Any] = record.decoded()
    decision, action, place, actor, content, drift = (
        _part(event, name) for name in ("decision", "action", "destination", "actor", "content", "drift")
    )
    return [
        str(record.seq),
        record.time,
        record.kind,
        _text(event.get("id")),
        _text(decision.get("effect", drift.get("state"))),
        " ".join(_text(finding.get("rule")) for finding in decision.get("findings", drift.get("rules", ()))),
        " ".join(_text(cause.get("code")) for cause in decision.get("causes", ()))
        or _text(event.get("cause", drift.get("kind"))),
        _text(place.get("provider")),
        _text(action.get("operation")),
        _text(place.get("container")),
        _text(place.get("key")),
        _text(actor.get("user", event.get("user"))),
        _text(actor.get("executable")),
        _text(content.get("state")),
        " ".join(dict.fromkeys(_text(tag.get("technology")) for tag in _tags(event, content))),
        " ".join(_files(event)),
        record.hash,
    ]


def _tags(event: Mapping[str, Any], content: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The tags of what was uploaded; of a record that is no decision, those of its files."""
    yield from content.get("tags", ())
    for file in event.get("files", ()):
        yield from file.get("tags", ())
    yield from event.get("tags", ())
    yield from event.get("before", ())


def _files(event: Mapping[str, Any]) -> Iterator[str]:
    """The local files that a record is about: tagged, released, sealed, appealed for."""
    for file in event.get("files", ()):
        yield _text(file.get("path"))
    if event.get("kind") in ("sealed", "unsealed", "release", "release-refused", "appeal"):
        yield _text(event.get("path", event.get("name")))


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return f"unknown:{value.get('unknown', '')}"
    return str(value)


def _part(event: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = event.get(name)
    return part if isinstance(part, Mapping) else {}


def _row(cells: Iterable[str]) -> bytes:
    """One CSV row. Object names are strangers' text: what a spreadsheet would run as a formula is quoted away."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(
        "'" + cell if cell.startswith(_FORMULA) else cell.replace("\r", " ").replace("\n", " ") for cell in cells
    )
    return out.getvalue().encode("utf-8", "backslashreplace")
