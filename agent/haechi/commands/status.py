"""``haechi status``: what the agent says of itself and its parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from haechi.commands._frame import Exit, answer, json_option
from haechi.words import say

if TYPE_CHECKING:
    from rich.console import Console


@click.command()
@json_option
def status(as_json: bool) -> int:
    """Show whether the agent works: mode, Envoy, engine, index, registry, policy, audit, the last self-test.

    Exit code 0: every part works; 1: a part is degraded or failed; 3: no agent answers.
    """
    from haechi.inbound.control import client

    result = client.call("agent.status", timeout=15)
    parts: dict[str, dict[str, Any]] = result.get("parts", {})

    def render(console: Console) -> None:
        from rich.table import Table

        mode = result.get("mode", "cooperative")
        console.print(say(f"status.{mode}") if mode == "enforced" else say("cooperative"))
        table = Table(box=None, pad_edge=False)
        for column in ("part", "state", "about"):
            table.add_column(say(f"status.column-{column}"), overflow="fold")
        for name, part in parts.items():
            state = str(part.get("state", "failed"))
            rest = {key: value for key, value in part.items() if key != "state" and value not in (None, "", [], {})}
            table.add_row(
                name, say(f"status.state-{state}"), ", ".join(f"{key} {_shown(value)}" for key, value in rest.items())
            )
        console.print(table)

    answer(result, as_json, render)
    fine = result.get("ready", False) and all(part.get("state") == "ok" for part in parts.values())
    return Exit.OK if fine else Exit.NEGATIVE


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} {_shown(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return ", ".join(map(str, value[:5])) + (f" … ({len(value)})" if len(value) > 5 else "")
    return str(value)
