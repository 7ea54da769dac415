"""``haechi explain ID``: the facts, findings and rule text of one decision."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from haechi.commands._findings import print_causes, print_findings
from haechi.commands._frame import answer, json_option
from haechi.words import language, say

if TYPE_CHECKING:
    from rich.console import Console


@click.command()
@click.argument("decision_id", metavar="ID")
@click.option("--facts", is_flag=True, help="Also print the whole policy input that was judged.")
@click.option("--no-rules", is_flag=True, help="Leave the text of the rules out.")
@json_option
def explain(decision_id: str, facts: bool, no_rules: bool, as_json: bool) -> None:
    """Explain the decision ID, as a refusal names it: what was uploaded where, each finding, the text of each rule.

    Everyone sees the decisions on their own uploads; officers see all.
    """
    from haechi.inbound.control import client

    result = client.call("audit.explain", {"id": decision_id, "lang": language()})
    record = result["record"]

    def render(console: Console) -> None:
        place, content = record.get("destination") or {}, record.get("content") or {}
        actor, action = record.get("actor") or {}, record.get("action") or {}
        rows = {
            "decision": f"{result['id']} · {say('explain.effect-' + result['effect'])}",
            "at": record.get("at"),
            "action": " ".join(str(action.get(name, "")) for name in ("provider", "operation")),
            "destination": "/".join(filter(None, (str(place.get("container", "")), str(place.get("key", ""))))),
            "actor": f"{_plain(actor.get('user'))} · {_plain(actor.get('executable'))} ({_plain(actor.get('pid'))})",
            "content": f"{content.get('state', '')} "
            + ", ".join(f"{tag['technology']} ({tag['grade']})" for tag in content.get("tags", [])),
            "matched": ", ".join(
                f"{match['name']} ({match['how']}, {match['share']:.0%})" for match in content.get("matches", [])
            ),
        }
        for name, value in rows.items():
            if value:
                console.print(f"{say('explain.' + name)}: {value}")
        print_findings(console, result["findings"], rules=not no_rules)
        print_causes(console, result["causes"])
        if result["policy_changed"]:
            console.print("\n" + say("explain.policy-changed"))
        if facts:
            console.print("\n" + json.dumps(record.get("input", {}), ensure_ascii=False, indent=2))

    answer(result, as_json, render)


def _plain(fact: object) -> str:
    if isinstance(fact, dict) and "unknown" in fact:
        return f"{say('unknown')} ({fact['unknown']})"
    return "–" if fact is None else str(fact)
