"""What ``haechi tag``, ``tags`` and ``untag`` show to a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from haechi.commands._frame import printable
from haechi.words import catalogue, say

if TYPE_CHECKING:
    from rich.console import Console

UNREADABLE_SHOWN = 50
"""Lines about unreadable files that a person reads; ``--json`` has all."""


def _words(entries: Sequence[Mapping[str, Any]]) -> str:
    return ", ".join(f"{entry['technology']} · {entry['grade']} · {_word('funding', entry)}" for entry in entries)


def _word(name: str, entry: Mapping[str, Any]) -> str:
    """A tag's value as people say it."""
    code = f"tag.{name}-{entry[name]}"
    return say(code) if code in catalogue() else str(entry[name])


def show_tagged(console: Console, result: Mapping[str, Any], given: int) -> None:
    """What was tagged, what was not and why. ``given`` is how many files it was asked for."""
    for problem in result["problems"]:
        console.print(say(problem["code"], **problem["params"]), style="yellow", markup=False)
    show_unreadable(console, result)
    if result["indexed"]:
        empty = sum(not file["size"] for file in result["files"])
        if empty:
            console.print(say("tag.done-empty", count=empty), markup=False)
        if result["count"] > empty or not empty:
            console.print(say("tag.done", count=result["count"] - empty), markup=False)
        _show_files(console, result["files"])
    else:
        console.print(say("tag.done-without-agent", count=given), style="yellow", markup=False)


def show_listed(console: Console, result: Mapping[str, Any]) -> None:
    """Tagged files, and what was not understood near them."""
    for problem in result["problems"]:
        console.print(say(problem["code"], **problem["params"]), style="yellow", markup=False)
    _show_files(console, result["files"])


def _show_files(console: Console, files: Sequence[Mapping[str, Any]]) -> None:
    from rich.table import Table
    from rich.text import Text

    if not files:
        console.print(say("tag.none"))
        return
    table = Table(
        say("tag.column-file"),
        say("tag.column-tags"),
        say("tag.column-owner"),
        say("tag.column-origin"),
        say("tag.column-bytes"),
    )
    for file in files:
        owners = ", ".join(sorted({entry["owner"] for entry in file["tags"] if entry["owner"]}))
        origins = ", ".join(sorted({_word("origin", entry) for entry in file["tags"]}))
        table.add_row(
            Text(printable(file["path"]), overflow="fold"), _words(file["tags"]), owners, origins, f"{file['size']:,}"
        )
    console.print(table)


def show_unreadable(console: Console, result: Mapping[str, Any]) -> None:
    """Files that could not be read."""
    for file in result["unreadable"][:UNREADABLE_SHOWN]:
        console.print(say("tag.unreadable", path=file["path"], cause=file["cause"]), style="yellow", markup=False)
    if len(result["unreadable"]) > UNREADABLE_SHOWN:
        console.print(say("tag.more-unreadable", count=f"{len(result['unreadable']) - UNREADABLE_SHOWN:,}"))
    if not result["unreadable"] and "files" not in result:
        console.print(say("tag.all-readable"))


def show_released(console: Console, result: Mapping[str, Any]) -> None:
    """What a release took off or lowered."""
    said = {"path": result["path"], "before": _words(result["before"]), "number": result["release"]["number"]}
    code = "tag.lowered" if result["after"] else "tag.untagged"
    console.print(say(code, after=_words(result["after"]), **said), markup=False)
