"""Findings and causes as people read them: requirement and basis first, then what is wrong and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from haechi.words import say

if TYPE_CHECKING:
    from rich.console import Console


def print_findings(console: Console, findings: Iterable[Mapping[str, Any]], *, rules: bool = False) -> None:
    """Each finding; with ``rules`` also its source and the rule's own text."""
    for finding in findings:
        basis = say(f"basis.{finding['basis']}")
        console.print(
            f"\n● {finding['requirement']} · {basis} · {finding['severity']} · {finding['rule']}", style="bold"
        )
        console.print(f"  {finding.get('message') or finding.get('title') or dict(finding.get('params', {}))}")
        if finding.get("remedy"):
            console.print(f"  → {finding['remedy']}")
        if rules and finding.get("source"):
            console.print("  " + say("explain.source", source=finding["source"], file=finding.get("file") or "–"))
        if rules and finding.get("text"):
            from rich.padding import Padding
            from rich.syntax import Syntax

            console.print(Padding(Syntax(finding["text"], "text", background_color="default"), (0, 0, 0, 4)))


def print_causes(console: Console, causes: Iterable[Mapping[str, Any]]) -> None:
    """What failed in our own machinery."""
    for cause in causes:
        console.print(f"\n● {cause['code']}", style="bold")
        console.print(f"  {cause.get('message', '')}")
