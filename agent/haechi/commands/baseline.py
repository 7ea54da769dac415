"""``haechi baseline``: the first week of a new customer, in monitor mode. docs/first-week.md goes through it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from haechi.commands._frame import Exit, answer, failing_as, json_option, progress
from haechi.words import catalogue, language, say, unknown, why_unknown

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    from rich.console import Console

    from haechi.app.baseline import Baseline
    from haechi.ports.recorded import Span

Fact = Mapping[str, Any]
DAYS = 7
SILENCE = 600.0
"""Seconds without a word while buckets are listed and read."""
EFFECTS = ("would_block", "block", "allow")


@click.group()
def baseline() -> None:
    """The first week: watch without blocking, then see what would have been blocked. docs/first-week.md explains it."""


@baseline.command()
@json_option
def check(as_json: bool) -> int:
    """Check that the agent watches and blocks nothing (monitor mode), and say what comes next.

    Exit code 0: monitor mode; 1: it may block; 3: no agent answers.

    Example: haechi baseline check
    """
    from haechi.inbound.control import client

    status = client.call("agent.status", timeout=15)
    parts: Mapping[str, Fact] = status.get("parts", {})
    mode = parts.get("engine", {}).get("mode", "")
    document = {
        "mode": mode,
        "monitor": mode == "monitor",
        "ready": bool(status.get("ready")),
        "parts": {name: part.get("state") for name, part in parts.items()},
        "tagged_files": parts.get("index", {}).get("files"),
        "registry": parts.get("registry", {}).get("sequence"),
    }

    def render(console: Console) -> None:
        console.print(say("baseline.monitors" if document["monitor"] else "baseline.enforces"), style="bold")
        if not document["monitor"]:
            console.print(say("baseline.how-to-monitor"), soft_wrap=True)
        for name in ("registry", "index"):
            told = document["registry"] if name == "registry" else document["tagged_files"]
            console.print(("✓ " if told else "✗ ") + say(f"baseline.has-{name}" if told else f"baseline.no-{name}"))
        failed = [name for name, state in document["parts"].items() if state not in ("ok", "starting", "busy")]
        if failed:
            console.print("✗ " + say("baseline.parts", names=", ".join(failed)))
        console.print("\n" + say("baseline.guide"), soft_wrap=True)

    answer(document, as_json, render)
    return Exit.OK if document["monitor"] else Exit.NEGATIVE


@baseline.command()
@click.option("--from", "start", help=f"First day in Korea, or an instant (RFC 3339). Default: the last {DAYS} days.")
@click.option("--to", "end", help="Last day in Korea, or until before an instant. Default: today.")
@click.option("--registry", "alone", is_flag=True, help="Print only the entries that the registry lacks, as YAML.")
@json_option
@click.option(
    "--folder", type=click.Path(path_type=Path), help="The audit's folder, instead of the one in the settings."
)
def report(start: str | None, end: str | None, alone: bool, as_json: bool, folder: Path | None) -> int:
    """Show what would have been blocked, and what to register: by rule with its remedy, user, destination, tool, day.

    What the registry lacks is told by what was seen, not by whose it is: a person has to check each entry.

    Exit code 0: nothing would have been blocked; 1: something would; 3: the audit could not be read.

    Example: haechi baseline report --from 2026-11-01 --to 2026-11-07
    """
    from haechi.commands._snippet import snippet
    from haechi.commands._span import last_days, span_of
    from haechi.commands.audit import audit_folder

    if start is None and end is None:
        start, end = last_days(DAYS, dt.datetime.now(dt.UTC))
    span = span_of(start, end)
    with failing_as("baseline.failed"):
        found = _read(audit_folder(folder), span, shown=not alone)
    document = {"from": span.start, "to": span.end, **found.as_json(), "words": _words(found)}
    document["registry_snippet"] = snippet(found.as_json()["unregistered"])  # type: ignore[arg-type]
    if alone and not as_json:
        click.echo(str(document["registry_snippet"]) or f"# {say('baseline.nothing-lacks')}")
    else:
        answer(document, as_json, lambda console: _show(console, document))
    violated = found.effects["would_block"] + found.effects["block"]
    return Exit.NEGATIVE if violated else Exit.OK


def _read(folder: Traversable, span: Span, *, shown: bool) -> Baseline:
    from haechi.app.baseline import Baseline
    from haechi.outbound.audit.decisions import FolderDecisions

    found = Baseline()
    with progress(say("baseline.reading"), shown=shown) as advance:
        for batch in FolderDecisions(folder).batches(span):
            found.take(batch.decisions)
            advance({"done": batch.done, "total": batch.total, "unit": "bytes"})
    return found


def _words(found: Baseline) -> dict[str, dict[str, str]]:
    """Title, message and remedy of each rule, by one of its findings; a cause's words for a cause."""
    from haechi.outbound.engine.folder import in_force, locate, read
    from haechi.outbound.engine.rulebook import RuleBook
    from haechi.settings import load

    try:
        book = RuleBook.of(read(in_force(load())))
    except Exception:  # the words of what ships are better than none; the counts stand without any
        book = RuleBook.of(read(locate()))
    told = {}
    for rule in found.rules.rows:
        finding = found.findings.get(rule)
        if finding is None:
            code = f"cause.{rule}"
            told[rule] = {"title": rule, "message": say(code) if code in catalogue() else "", "remedy": ""}
            continue
        words = book(rule, language(), finding.get("params") or {})
        told[rule] = {"title": words.title, "message": words.message, "remedy": words.remedy}
    return told


def _show(console: Console, document: Mapping[str, Any]) -> None:
    from haechi.commands._tables import print_tally

    effects, words = document["effects"], document["words"]
    counts = {name: effects.get(name, 0) for name in EFFECTS}
    console.print(say("baseline.reported", records=document["records"], **counts), style="bold", soft_wrap=True)
    for reason, count in document["skipped"].items():
        code = f"replay.skip-{reason}"
        console.print("  " + say("baseline.skipped", count=count, why=say(code) if code in catalogue() else reason))
    columns = {name: say(f"baseline.effect-{name}") for name in EFFECTS}
    titled = lambda rule: f"{words[rule]['title']} ({rule})" if rule in words else rule  # noqa: E731
    print_tally(console, say("replay.column-rules"), document["rules"], columns, told=titled)
    for row in document["rules"]["rows"][:10]:
        told = words.get(row["name"], {})
        if told.get("remedy"):
            console.print(f"  → {row['name']}: {told['remedy']}", soft_wrap=True)
    for name in ("users", "destinations"):
        print_tally(console, say(f"replay.column-{name}"), document[name], columns)
    print_tally(console, say("baseline.column-tools"), document["tools"], columns)
    days = [{"name": one["day"], "counts": one, "examples": []} for one in document["days"]]
    print_tally(console, say("baseline.column-days"), {"rows": days, "others": {}}, columns, shown=60)
    text = document["registry_snippet"]
    console.print("\n" + say("baseline.lacks" if text else "baseline.nothing-lacks"), style="bold", soft_wrap=True)
    if text:
        console.print("\n" + text, soft_wrap=True)
    if document["summaries"]:
        console.print(say("baseline.summaries", count=document["summaries"]), soft_wrap=True)


@baseline.command()
@click.option(
    "--profile",
    "profiles",
    multiple=True,
    metavar="NAME",
    help="A further profile of the agent's, for another account; repeatable. Default: destinations.survey_profiles.",
)
@json_option
def buckets(profiles: tuple[str, ...], as_json: bool) -> int:
    """List the existing buckets of the institution's accounts, and what tagged content would meet in each.

    The agent lists and reads them with its own credentials; nothing is uploaded or changed. For officers. Its usual
    credentials list one account; each profile, which may assume a role, lists that of its own.

    Exit code 0: every account was listed and every bucket read; 1: something stayed unknown; 3: no agent answers.

    Example: haechi baseline buckets --profile factory --profile research
    """
    from haechi.inbound.control import client

    listed: list[dict[str, Any]] = []
    with progress(say("baseline.surveying"), unit="buckets") as advance:

        def told(fact: dict[str, Any]) -> None:
            if isinstance(fact.get("bucket"), dict):
                listed.append(fact["bucket"])
            advance({"done": fact.get("done"), "total": fact.get("total")})

        result = client.call(
            "baseline.buckets", {"lang": language(), "profiles": list(profiles)}, told, timeout=SILENCE
        )
    listed.sort(key=lambda one: (one["provider"], str(one["account"]), one["container"]))
    whole = len(listed) == result["buckets"] and not any(one["cause"] for one in result["listings"])
    complete = whole and not any(one["unknown"] for one in listed)
    document = {**result, "listed": listed, "complete": complete}
    answer(document, as_json, lambda console: _show_buckets(console, document))
    return Exit.OK if complete else Exit.NEGATIVE


def _show_buckets(console: Console, document: Mapping[str, Any]) -> None:
    from rich.table import Table

    for listing in document["listings"]:
        account, provider = _known(listing["account"]), listing["provider"]
        access = listing.get("access")  # an agent of before an update knows none
        by = say("baseline.by-profile", profile=access) if access else ""
        if not isinstance(listing["account"], str):
            said = "✗ " + say("baseline.no-account", provider=provider, why=why_unknown(listing["cause"]))
        elif listing["cause"]:
            why = why_unknown(listing["cause"])
            said = "✗ " + say("baseline.not-listed", account=account, provider=provider, why=why)
        else:
            said = "✓ " + say("baseline.listed", account=account, provider=provider, count=listing["buckets"])
        console.print(said + by, soft_wrap=True)
        if isinstance(listing["account"], str) and not listing["registered"]:
            console.print("  " + say("baseline.not-registered", account=account), soft_wrap=True)
    if any(listing.get("access") and listing["buckets"] for listing in document["listings"]):
        console.print(say("baseline.uploads-by-usual"), soft_wrap=True)
    listed: Sequence[Fact] = document["listed"]
    if not listed:
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("bucket", "region", "sealed", "plain", "findings"):
        table.add_column(say(f"baseline.column-{name}"), overflow="fold")
    for one in listed:
        known = (_known(one["region"]), _effect(one, "sealed"), _effect(one, "plain"))
        table.add_row(one["container"], *known, " ".join(_rules(one)))
    console.print()
    console.print(table)
    console.print("\n" + say("baseline.as-user", user=_known(document["as_user"])), soft_wrap=True)
    _print_remedies(console, listed)


def _print_remedies(console: Console, listed: Sequence[Fact]) -> None:
    """What to do, once a rule, for sealed content; then what is not known, and why."""
    remedies: dict[str, tuple[str, str]] = {}
    for one in listed:
        for finding in (one["sealed"] or {}).get("findings", ()):
            if finding["severity"] == "block" and finding.get("remedy"):
                remedies.setdefault(finding["rule"], (finding["title"], finding["remedy"]))
    for rule, (title, remedy) in remedies.items():
        console.print(f"● {title} ({rule})\n  → {remedy}", soft_wrap=True)
    for one in listed:
        if one["unknown"]:
            causes = "; ".join(why_unknown(cause) for cause in one["unknown"])
            console.print(say("baseline.unread", bucket=one["container"], why=causes), soft_wrap=True)


def _rules(bucket: Fact) -> list[str]:
    """The rules that speak against sealed content there."""
    found = (bucket["sealed"] or {}).get("findings", ())
    return list(dict.fromkeys(one["rule"] for one in found if one["severity"] == "block"))


def _effect(bucket: Fact, kind: str) -> str:
    verdict = bucket[kind]
    effect = say(f"baseline.effect-{verdict['effect']}") if verdict else say("baseline.effect-unknown")
    return f"{effect} ?" if bucket["unknown"] else effect


def _known(fact: object) -> str:
    if isinstance(fact, Mapping):
        return unknown(str(fact.get("unknown", "")))
    return "–" if fact in (None, "") else str(fact)
