"""Findings and causes as people read them: requirement and basis first, then what is wrong and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from haechi.words import say

if TYPE_CHECKING:
    from rich.console import Console


def print_findings(console: Console, findings: Iterable[Mapping[str, Any]], *, rules: bool = False) -> None:
    """The findings of each rule together; with ``rules`` also the source and text of each rule, once, at the end."""
    grouped: dict[str, list[Mapping[str, Any]]] = {}
    for finding in findings:
        grouped.setdefault(finding["rule"], []).append(finding)
    for found in grouped.values():
        first = found[0]
        console.print(
            f"\n● {first.get('title') or first['rule']}  [{requirement(first)}]", style="bold", soft_wrap=True
        )
        for message in dict.fromkeys(map(_message, found)):
            console.print(f"  {message}", soft_wrap=True)
        for remedy in dict.fromkeys(one["remedy"] for one in found if one.get("remedy")):
            console.print(f"  → {remedy}", soft_wrap=True)
    shown = [found[0] for found in grouped.values() if found[0].get("source") or found[0].get("text")]
    if rules and shown:
        console.print("\n" + say("explain.rules"), style="bold")
        for finding in shown:
            _print_rule(console, finding)


def _print_rule(console: Console, finding: Mapping[str, Any]) -> None:
    console.print(f"\n  {finding['rule']} · {finding.get('title', '')}", style="bold", soft_wrap=True)
    source = say("explain.source", source=finding.get("source") or "–", file=finding.get("file") or "–")
    console.print(f"  {source}", soft_wrap=True)
    for line in _rule(finding.get("text", "")):
        console.print(f"    {line}".rstrip(), soft_wrap=True)


def _message(finding: Mapping[str, Any]) -> str:
    return finding.get("message") or finding.get("title") or _parameters(finding)


def requirement(finding: Mapping[str, Any]) -> str:
    """Requirement, basis and what a finding leads to: ``R13 · guidance · refuses``."""
    own = finding["requirement"] == "haechi"
    named = [] if own else [finding["requirement"]]
    effect = say(f"severity.{finding['severity']}") if finding.get("severity") else ""
    return " · ".join(filter(None, [*named, say(f"basis.{finding['basis']}"), effect]))


def _parameters(finding: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}: {value}" for name, value in finding.get("params", {}).items())


def _rule(text: str) -> list[str]:
    """The rule without its header, whose title, basis and source were just printed."""
    lines = text.strip().splitlines()
    start = next((n for n, line in enumerate(lines) if line.startswith("package ")), 0)
    return lines[start:]


def print_causes(console: Console, causes: Iterable[Mapping[str, Any]]) -> None:
    """What failed in our own machinery."""
    for cause in causes:
        console.print(f"\n● {cause['code']}", style="bold")
        console.print(f"  {cause.get('message', '')}")
