"""``haechi policy coverage``: what stands for each requirement, and what nothing here sees."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from haechi.commands._frame import answer, json_option
from haechi.domain.errors import HaechiError
from haechi.words import language, say

if TYPE_CHECKING:
    from rich.console import Console

    from haechi.outbound.engine.clauses import Clause, Coverage
    from haechi.outbound.engine.folder import PolicyFolder


@click.command()
@click.argument("requirement", required=False)
@click.option("--folder", type=click.Path(path_type=Path), help="Look at these policies instead of the ones in force.")
@json_option
def coverage(requirement: str | None, folder: Path | None, as_json: bool) -> None:
    """Show what stands for each requirement: rules, dated statements, or nothing, with the reason.

    With REQUIREMENT (R01 to R32), every part of that one.

    Example: haechi policy coverage R09
    """
    from haechi.outbound.engine.clauses import coverage as read_coverage
    from haechi.outbound.engine.folder import in_force, locate, read
    from haechi.settings import load

    policies = read(locate(folder) if folder else in_force(load()))
    said = read_coverage(policies)
    wanted = requirement.upper() if requirement else None
    if wanted is not None and wanted not in said.clauses:
        raise HaechiError("policy.no-such-requirement", requirement=wanted, known=", ".join(said.clauses) or "–")
    shown = {name: clause for name, clause in said.clauses.items() if wanted in (None, name)}
    document = {
        "revision": policies.revision,
        "counted": {str(how): count for how, count in said.counted().items()},
        "requirements": [_plain(policies, name, clause) for name, clause in shown.items()],
    }

    def render(console: Console) -> None:
        if wanted is None:
            _print_table(console, said)
        else:
            _print_parts(console, policies, wanted, shown[wanted])

    answer(document, as_json, render)


def counted(said: Coverage) -> str:
    """How many requirements are covered in which way, in one sentence."""
    from haechi.outbound.engine.clauses import How

    numbers = said.counted()
    return say(
        "coverage.counted",
        requirements=len(said.clauses),
        automated=numbers[How.AUTOMATED],
        attested=numbers[How.ATTESTED],
        out_of_reach=numbers[How.OUT_OF_REACH],
    )


def _plain(policies: PolicyFolder, name: str, clause: Clause) -> dict[str, Any]:
    import msgspec

    plain: dict[str, Any] = {"id": name, **msgspec.to_builtins(clause)}
    for part in plain["parts"]:
        part["severities"] = {
            rule: policies.rules[rule].severity.value for rule in part["rules"] if rule in policies.rules
        }
    return plain


def _print_table(console: Console, said: Coverage) -> None:
    from rich.table import Table

    lang = language()
    table = Table(box=None)
    for column in ("requirement", "certainty", "how"):
        table.add_column(say(f"coverage.column-{column}"), no_wrap=True)
    table.add_column(say("coverage.column-title"))
    for name, clause in said.clauses.items():
        hows = ", ".join(say(f"coverage.{how}") for how in clause.hows)
        table.add_row(name, clause.certainty, hows, clause.title.of(lang))
    console.print(table)
    console.print(counted(said), soft_wrap=True)
    console.print(say("coverage.told"), soft_wrap=True)


def _print_parts(console: Console, policies: PolicyFolder, name: str, clause: Clause) -> None:
    lang = language()
    console.print(f"{name} · {clause.title.of(lang)}", style="bold", soft_wrap=True)
    source = say("coverage.source", source=clause.source.of(lang), certainty=clause.certainty)
    console.print(f"  {source}{f' · {clause.note.of(lang)}' if clause.note else ''}", soft_wrap=True)
    console.print(f"  {say('coverage.whose', whose=say(f'coverage.whose-{clause.whose}'))}", soft_wrap=True)
    for part in clause.parts:
        console.print(f"\n● {say(f'coverage.{part.how}')}: {part.what.of(lang)}", soft_wrap=True)
        for rule in part.rules:
            info = policies.rules.get(rule)
            told = f"{say(f'policy.severity-{info.severity}')} · {info.title.get(lang, '')}" if info else "–"
            console.print(f"  {rule}: {told}", soft_wrap=True)
        if part.subjects:
            console.print(f"  {say('coverage.subjects', subjects=', '.join(part.subjects))}", soft_wrap=True)
        if part.why:
            console.print(f"  {part.why.of(lang)}", soft_wrap=True)
