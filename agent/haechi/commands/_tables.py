"""Tables of counts for people: one row a name, one column a kind, and examples to go on with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from haechi.words import say

if TYPE_CHECKING:
    from rich.console import Console

SHOWN = 20
"""Rows on a terminal; ``--json`` has all that were kept."""


def print_tally(
    console: Console,
    title: str,
    tally: Mapping[str, Any],
    columns: Mapping[str, str],
    *,
    told: Callable[[str], str] = lambda name: name,
    shown: int = SHOWN,
) -> None:
    """One table of ``Tally.as_json``. ``columns``: key of the counts to heading; empty ones are left out."""
    rows: Sequence[Mapping[str, Any]] = tally["rows"]
    if not rows:
        return
    from rich.table import Table

    used = [key for key in columns if any(row["counts"].get(key) for row in rows)]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(title, overflow="fold")
    for key in used:
        table.add_column(columns[key], justify="right")
    table.add_column(say("replay.column-examples"), overflow="fold")
    for row in rows[:shown]:
        counts = [str(row["counts"].get(key) or "–") for key in used]
        table.add_row(told(row["name"]), *counts, " ".join(row["examples"]))
    console.print()
    console.print(table)
    if len(rows) > shown:
        console.print(say("replay.more-rows", count=len(rows) - shown))
    if tally["others"]:
        console.print(say("replay.other-names", count=sum(tally["others"].values())))
