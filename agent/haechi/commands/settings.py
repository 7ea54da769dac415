"""``haechi settings``: what is in force on this machine, and where each value came from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from haechi.commands._frame import answer, json_option
from haechi.words import say

if TYPE_CHECKING:
    from rich.console import Console


@click.group()
def settings() -> None:
    """Settings of this machine's agent. docs/settings.md explains each."""


@settings.command()
@click.option("--file", type=click.Path(path_type=Path), help="Read this file instead of the one in force.")
@json_option
def show(file: Path | None, as_json: bool) -> None:
    """Show every setting in force and where it came from: the default, or file and line."""
    from haechi.settings import load
    from haechi.settings.reading import effective

    made = load(file.absolute() if file else None)
    values = effective(made)
    document: dict[str, Any] = {
        "file": str(made.file) if made.file else None,
        "paths": made.paths.as_json(),
        "settings": {
            key: {"value": _plain(value), "origin": made.origins.get(key, "default")} for key, value in values.items()
        },
    }

    def render(console: Console) -> None:
        from rich.table import Table

        table = Table(title=say("settings.heading"), title_justify="left", box=None)
        for column in ("key", "value", "origin"):
            table.add_column(say(f"settings.column-{column}"), overflow="fold")
        for key, value in values.items():
            table.add_row(key, _shown(value), made.origins.get(key, say("settings.default")))
        for name, where in made.paths.as_json().items():
            table.add_row(f"→ {name}", where, "")
        console.print(table)

    answer(document, as_json, render)


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return dict(value) if isinstance(value, dict) else value


def _shown(value: Any) -> str:
    if value is None or value in ("", (), {}):
        return "–"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    if isinstance(value, dict):
        return ", ".join(f"{key} → {to}" for key, to in value.items())
    return str(value)
