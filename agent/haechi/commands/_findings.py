"""Findings and causes as people read them: requirement and basis first, then what is wrong and what to do.

One thing that is not known makes many rules speak. Here it is told once, and what merely follows from it is named under
it. Where rules refuse, those that only put something on record are named in one line: ``--json`` has every finding.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from haechi.domain.decision import Severity
from haechi.words import catalogue, say

if TYPE_CHECKING:
    from rich.console import Console

Told: TypeAlias = Mapping[str, Any]
CAUSE = "unknown_facts"
"""The rule that names what is not known; findings that are ``unsure`` rest on that."""


def print_findings(console: Console, findings: Iterable[Told], *, rules: bool = False) -> None:
    """The findings of each rule together; with ``rules`` also the source and text of each rule, once, at the end."""
    every = list(findings)
    causes = any(finding["rule"] == CAUSE for finding in every)
    grouped: dict[str, list[Told]] = {}
    follow: dict[str, Told] = {}
    for finding in every:
        if causes and finding.get("unsure"):
            follow.setdefault(finding["rule"], finding)
        else:
            grouped.setdefault(finding["rule"], []).append(finding)
    refused = any(finding.get("severity") != Severity.LOG for finding in every)
    noted = {
        rule: found[0]
        for rule, found in grouped.items()
        if refused and rule != CAUSE and found[0].get("severity") == Severity.LOG
    }
    for rule, found in grouped.items():
        if rule in noted:
            continue
        first = found[0]
        console.print(
            f"\n● {first.get('title') or first['rule']}  [{requirement(first)}]", style="bold", soft_wrap=True
        )
        for message in _unknown(found) if rule == CAUSE else dict.fromkeys(map(_message, found)):
            console.print(f"  {message}", soft_wrap=True)
        for remedy in dict.fromkeys(one["remedy"] for one in found if one.get("remedy")):
            console.print(f"  → {remedy}", soft_wrap=True)
        # A rule that speaks for a certainty too is told with that.
        named = [_named(one) for name, one in follow.items() if name not in grouped]
        if rule == CAUSE and named:
            console.print(f"  {say('findings.follow', rules=', '.join(named))}", soft_wrap=True)
    if noted:
        told = ", ".join(map(_named, noted.values()))
        console.print(f"\n{say('findings.noted', rules=told)}", soft_wrap=True, style="dim")
    if rules:
        _print_rules(console, [finding for finding in every if finding["rule"] not in noted])


def _print_rules(console: Console, findings: Sequence[Told]) -> None:
    shown = {finding["rule"]: finding for finding in findings if finding.get("source") or finding.get("text")}
    if shown:
        console.print("\n" + say("explain.rules"), style="bold")
        console.print(say("explain.letters"))
        for finding in shown.values():
            _print_rule(console, finding)


def _print_rule(console: Console, finding: Told) -> None:
    console.print(f"\n  {finding['rule']} · {finding.get('title', '')}", style="bold", soft_wrap=True)
    source = say("explain.source", source=finding.get("source") or "–", file=finding.get("file") or "–")
    console.print(f"  {source}", soft_wrap=True)
    for line in _rule(finding.get("text", "")):
        console.print(f"    {line}".rstrip(), soft_wrap=True)


def _unknown(found: Iterable[Told]) -> list[str]:
    """What is not known, by its cause: one line each."""
    facts: dict[str, dict[str, None]] = {}
    for finding in found:
        params = finding.get("params", {})
        fact, cause = str(params.get("fact", "")), str(params.get("cause", ""))
        told = say(f"value.fact.{fact}") if f"value.fact.{fact}" in catalogue() else fact
        facts.setdefault(cause, {})[told] = None
    return [
        say(
            "findings.unknown",
            facts=", ".join(names),
            cause=say(f"unknown.{cause}") if f"unknown.{cause}" in catalogue() else cause,
        )
        for cause, names in facts.items()
    ]


def _message(finding: Told) -> str:
    return finding.get("message") or finding.get("title") or _parameters(finding)


def _named(finding: Told) -> str:
    title = finding.get("title") or finding["rule"]
    return title if finding["requirement"] == "haechi" else f"{finding['requirement']} {title}"


def requirement(finding: Told) -> str:
    """Requirement, basis and what a finding leads to: ``R13 · guidance · refuses``. What rests on something unknown is
    an inference, whatever its rule's basis.
    """
    own = finding["requirement"] == "haechi"
    named = [] if own else [finding["requirement"]]
    basis = "inference" if finding.get("unsure") else finding["basis"]
    effect = say(f"severity.{finding['severity']}") if finding.get("severity") else ""
    return " · ".join(filter(None, [*named, say(f"basis.{basis}"), effect]))


def _parameters(finding: Told) -> str:
    return ", ".join(f"{name}: {value}" for name, value in finding.get("params", {}).items())


def _rule(text: str) -> list[str]:
    """The rule without its header, whose title, basis and source were just printed; its tabs as spaces."""
    lines = text.strip().expandtabs(4).splitlines()
    start = next((n for n, line in enumerate(lines) if line.startswith("package ")), 0)
    return lines[start:]


def print_causes(console: Console, causes: Iterable[Told]) -> None:
    """What failed in our own machinery."""
    for cause in causes:
        console.print(f"\n● {cause['code']}", style="bold")
        console.print(f"  {cause.get('message', '')}")
