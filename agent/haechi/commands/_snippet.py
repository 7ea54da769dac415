"""What a registry lacks, as YAML to paste: every entry with what is to be looked at before anybody signs it.

Names in it were chosen by whoever uploaded: each value is a quoted scalar, each comment one printable line.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from haechi.words import say

Entry = Mapping[str, Any]
CHECK = "CHECK-{}"
"""Stands for an id that the institution gives."""


def snippet(unregistered: Mapping[str, Any]) -> str:
    """The entries for ``registry.yaml``; empty where nothing is lacking."""
    parts = [
        *_section("accounts", unregistered["accounts"], _owned),
        *_section("keys", unregistered["keys"], _owned),
        *_section("personnel", unregistered["people"], _person),
    ]
    more = [
        f"# {_comment(say('baseline.snippet-credential', person=one['person'], key=one['access_key']))}"
        for one in unregistered["credentials"]
    ]
    if not parts and not more:
        return ""
    return "\n".join([f"# {say('baseline.snippet-check')}", *parts, *more]) + "\n"


def _section(name: str, entries: Sequence[Entry], told: Any) -> Iterator[str]:
    if entries:
        yield f"{name}:"
        for number, entry in enumerate(entries, 1):
            yield f"  # {_comment(_evidence(entry))}"
            yield from told(number, entry)


def _owned(number: int, entry: Entry) -> Iterator[str]:
    yield f"  - provider: {_scalar(entry['provider'])}"
    yield f"    id: {_scalar(entry['id'])}"
    yield f"    label: {_scalar(say('baseline.snippet-label'))}"


def _person(number: int, entry: Entry) -> Iterator[str]:
    yield f"  - id: {_scalar(CHECK.format(number))}"
    yield f"    name: {_scalar(say('baseline.snippet-label'))}"
    yield f"    os_users: [{_scalar(entry['user'])}]"
    if entry.get("access_keys"):
        yield f"    access_keys: [{', '.join(map(_scalar, entry['access_keys']))}]"
    yield "    access: domestic"


def _evidence(entry: Entry) -> str:
    seen = say("baseline.snippet-seen", count=entry["count"], first=entry["first"][:10], last=entry["last"][:10])
    about = [
        f"{say(f'baseline.about-{name}')}: {', '.join(entry[name])}"
        for name in ("containers", "users", "accounts", "countries")
        if entry.get(name)
    ]
    return " · ".join([seen, *about])


def _scalar(value: object) -> str:
    """A double-quoted scalar: JSON's are YAML's. Surrogates of names that are no text are spelled out."""
    return json.dumps(str(value).encode("utf-8", "backslashreplace").decode(), ensure_ascii=False)


def _comment(text: str) -> str:
    shown = "".join(character if character.isprintable() else "�" for character in text)
    return shown.encode("utf-8", "backslashreplace").decode()[:400]
