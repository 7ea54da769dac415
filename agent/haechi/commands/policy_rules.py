"""``haechi policy rules|test``: what rules there are, and what they would say to an input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from haechi.commands._frame import Exit, answer, json_option
from haechi.commands._policies import chosen, folder_option, tried
from haechi.domain.errors import HaechiError
from haechi.words import language, say

if TYPE_CHECKING:
    from rich.console import Console

    from haechi.outbound.engine.folder import PolicyFolder


@click.command()
@folder_option
@json_option
def rules(folder: Path | None, as_json: bool) -> None:
    """List every rule: requirement, basis with its certainty (Q, S, I), severity, mode and title."""
    from haechi.outbound.engine.place import policies_at

    policies = policies_at(chosen(folder))
    listed = [_rule(policies, rule_id) for rule_id in sorted(policies.rules)]

    def render(console: Console) -> None:
        from rich.table import Table

        table = Table(box=None)
        for column in ("rule", "requirement", "basis", "severity", "mode"):
            table.add_column(say(f"policy.column-{column}"), no_wrap=True)
        table.add_column(say("policy.column-title"))
        for rule in listed:
            told = rule["title"].get(language()) or rule["title"]["en"]
            basis = f"{say('basis.' + rule['basis'])} ({rule['certainty']})"
            severity, mode = say(f"policy.severity-{rule['severity']}"), say(f"policy.mode-{rule['mode']}")
            asked = ", ".join((rule["requirement"], *rule["also"]))
            table.add_row(rule["id"], asked, basis, severity, mode, told)
        console.print(table)
        console.print(say("policy.rules-told"))

    answer({"revision": policies.revision, "rules": listed}, as_json, render)


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--name", help="Which input of FILE to judge, where it holds several.")
@folder_option
@json_option
def test(file: Path, name: str | None, folder: Path | None, as_json: bool) -> None:
    """Judge the policy input in FILE (haechi.input/1, JSON) and show what every rule says. Nothing is recorded.

    Exits with 0 when it would pass, with 1 when it would be blocked. FILE may hold several inputs by name: --name says
    which. policies/testing/data.json holds one to start from. Findings come in the order in which they are told.
    """
    from haechi.domain.decision import Basis, decide
    from haechi.outbound.engine.place import policies_at
    from haechi.outbound.engine.rulebook import RuleBook

    try:
        facts = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise HaechiError("policy.input-missing", file=str(file), why=str(error)) from error
    facts = _input(facts, name, file)
    policies = policies_at(chosen(folder))
    judged = tried(policies, facts)
    decision = decide(judged.findings, policies.modes)
    book = RuleBook.of(policies)

    def render(console: Console) -> None:
        effect = say(f"policy.effect-{decision.effect}")
        console.print(say("policy.tested", effect=effect, count=len(decision.findings)))
        for finding in decision.findings:
            words = book(finding.rule, language(), finding.params)
            basis = say(f"basis.{Basis.INFERENCE if words.unsure else finding.basis}")
            severity = say(f"policy.severity-{finding.severity}")
            console.print(f"\n{severity} · {finding.requirement} ({basis}) · {finding.rule}")
            console.print(f"  {words.message}\n  → {words.remedy}")

    answer({"decision": decision.as_json(), "seconds": judged.seconds}, as_json, render)
    raise SystemExit(Exit.NEGATIVE if decision.blocks else Exit.OK)


def _input(document: object, name: str | None, file: Path) -> dict[str, Any]:
    """The input itself, or the named one of several. Raises ``policy.input-missing``, ``policy.input-unnamed``."""
    if not isinstance(document, dict):
        raise HaechiError("policy.input-missing", file=str(file), why="not a JSON object")
    named = {key: value for key, value in document.items() if isinstance(value, dict) and "schema" in value}
    if name is None and "schema" not in document and len(named) == 1:
        return dict(next(iter(named.values())))
    if name is None and not named:
        return document
    if name not in named:
        raise HaechiError("policy.input-unnamed", file=str(file), names=", ".join(sorted(named)) or "–")
    return dict(named[name])


def _rule(policies: PolicyFolder, rule_id: str) -> dict[str, Any]:
    info = policies.rules[rule_id]
    return {
        "id": info.id,
        "requirement": info.requirement,
        "also": list(info.also),
        "basis": info.basis.value,
        "certainty": info.certainty,
        "severity": info.severity.value,
        "mode": policies.modes.of(rule_id).value,
        "source": info.source,
        "title": dict(info.title),
        "file": info.file,
    }
