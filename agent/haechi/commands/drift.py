"""``haechi drift``: containers with tagged content that turned worse since. docs/drift.md goes through it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from haechi.commands._frame import Exit, answer, json_option, one_line, progress
from haechi.domain.drift import KINDS, UNREADABLE
from haechi.words import catalogue, language, say, unknown

if TYPE_CHECKING:
    from rich.console import Console

SILENCE = 600.0
"""Seconds without a word while containers are read."""


@click.group(invoke_without_command=True)
@click.option("--now", is_flag=True, help="Read every container again first. For officers.")
@click.option("--all", "every", is_flag=True, help="Also findings that were mended or accepted.")
@json_option
@click.pass_context
def drift(ctx: click.Context, now: bool, every: bool, as_json: bool) -> int:
    """Show containers that turned worse since tagged content went there, and the tagged objects in them.

    Public, copies abroad, another owner or region, a lost key, settings that nobody can read any more. Open until it is
    mended or an officer accepts it. You see what is about objects that you alone wrote; officers see all.

    Exit code 0: nothing is open; 1: something is; 3: no agent answers, or not every container could be read.

    Example: haechi drift --now
    """
    if ctx.invoked_subcommand is not None:
        return Exit.OK
    from haechi.inbound.control import client

    looked: dict[str, Any] | None = None
    if now:
        with progress(say("drift.reading"), unit="containers") as advance:
            looked = client.call("drift.now", {}, advance, timeout=SILENCE)
    found: list[dict[str, Any]] = []
    page: dict[str, Any] = {"next": ""}
    while page["next"] is not None:
        page = client.call("drift.list", {"after": page["next"], "lang": language(), "every": every}, timeout=SILENCE)
        found += page["findings"]
    document = {
        "findings": found,
        "looked": looked,
        **{name: page.get(name) for name in ("open", "unread", "age_seconds")},
    }
    answer(document, as_json, lambda console: _show(console, document))
    if any(one["state"] == "open" for one in found):
        return Exit.NEGATIVE
    return Exit.NOT_READY if looked is not None and (looked["failed"] or page.get("unread")) else Exit.OK


@drift.command()
@click.argument("finding_id", metavar="ID")
@click.argument("reason")
@json_option
def accept(finding_id: str, reason: str, as_json: bool) -> None:
    """Accept the finding ID: it is known, and it is to stay so. Your words are recorded. For officers.

    It lets nothing through: uploads are judged as before. What changes after that is a finding again.

    Example: haechi drift accept hd-7K2M9Q4TXW0P "로그는 이제 중앙 보관소에서 수집합니다"
    """
    from haechi.inbound.control import client

    done = client.call("drift.accept", {"id": finding_id, "reason": reason}, timeout=SILENCE)

    def render(console: Console) -> None:
        what = say(f"drift.kind-{done['kind']}")
        console.print("✓ " + one_line(say("drift.accepted", container=done["container"], what=what)), soft_wrap=True)

    answer(done, as_json, render)


def _show(console: Console, document: Mapping[str, Any]) -> None:
    looked = document["looked"]
    if looked is not None:
        console.print(say("drift.looked", count=looked["containers"]))
        if looked["failed"]:
            console.print("✗ " + say("drift.failed", count=looked["failed"]))
    elif document["age_seconds"] is None:
        console.print(say("drift.not-looked"))
    if document["unread"]:
        console.print("✗ " + say("drift.unread", count=document["unread"]))
    for one in gravest_first(document["findings"]):
        _show_finding(console, one)
    if not document["findings"]:
        console.print("✓ " + say("drift.nothing"))


def _show_finding(console: Console, one: Mapping[str, Any]) -> None:
    from haechi.commands.explain import moment
    from haechi.commands.objects import object_line

    mark = "●" if one["grave"] else "○"
    state = "" if one["state"] == "open" else f"  [{say('drift.state-' + one['state'])}]"
    title = f"{mark} {one['provider']} · {one['container']}: {say('drift.kind-' + one['kind'])}{state}"
    console.print("\n" + one_line(title), style="bold", soft_wrap=True)
    console.print(f"  {one['id']} · {moment(one['raised'])}", soft_wrap=True)
    for line in _lost(one) if one["kind"] == UNREADABLE else _changed(one):
        console.print(f"  {one_line(line)}", soft_wrap=True)
    if one["reason"]:
        console.print("  " + one_line(f"{one['by']}: {one['reason']}"), soft_wrap=True)
    count = one["objects_total"] if one["objects_total"] is not None else len(one["objects"])
    console.print("  " + say("drift.objects", count=count), soft_wrap=True)
    for named in one["objects"]:
        console.print(f"    {object_line(named)}", soft_wrap=True)
    if one["more"]:
        console.print("    " + one_line(say("drift.more-named", container=one["container"])), soft_wrap=True)


def gravest_first(findings: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Container by container as they came, in each the gravest kind first."""
    places = list(dict.fromkeys((one["provider"], one["container"]) for one in findings))
    order = {kind: at for at, kind in enumerate(KINDS)}

    def weight(one: Mapping[str, Any]) -> tuple[int, bool, int]:
        at = places.index((one["provider"], one["container"]))
        return at, not one["grave"], order.get(one["kind"], len(order))

    return sorted(findings, key=weight)


def _changed(one: Mapping[str, Any]) -> Iterator[str]:
    """What was and is, line by line, and each rule with its remedy."""
    for leaf, now in one["now"].items():
        yield f"{_leaf(one['kind'], leaf)}: {_value(one['was'].get(leaf))} → {_value(now)}"
    remedies: dict[str, list[str]] = {}
    for rule in one["rules"]:
        title = f"{rule.get('title') or rule['rule']} ({rule['rule']})"
        remedies.setdefault(title, []).append(rule.get("remedy") or "")
    for title, told in remedies.items():
        yield title
        yield from (f"  → {remedy}" for remedy in dict.fromkeys(told) if remedy)


def _lost(one: Mapping[str, Any]) -> Iterator[str]:
    """All that went out of sight for one cause, in one line; so, too, the rules that must assume the worst of it."""
    names: dict[str, list[str]] = {}
    for leaf, now in one["now"].items():
        aspect, _, name = leaf.rpartition(".")
        names.setdefault(_value(now), []).append(_leaf(aspect, name))
    for cause, lost in names.items():
        yield f"{', '.join(dict.fromkeys(lost))} → {cause}"
    titles = dict.fromkeys(str(rule.get("title") or rule["rule"]) for rule in one["rules"])
    if titles:
        yield say("drift.worst-assumed", rules=", ".join(titles))


def _leaf(aspect: str, name: str) -> str:
    """A fact by its name: that of its aspect where several have one of it."""
    for word in (f"drift.leaf-{aspect}-{name}", f"drift.leaf-{name}"):
        if word in catalogue():
            return say(word)
    return name


def _value(value: object) -> str:
    if isinstance(value, Mapping):
        if set(value) == {"unknown"}:
            return unknown(str(value["unknown"]))
        return " · ".join(_value(one) for one in value.values())
    if isinstance(value, list):
        return "; ".join(map(_value, value)) or say("drift.none")
    if isinstance(value, bool):
        return say("drift.yes" if value else "drift.no")
    if value is None:
        return say("drift.none")
    word = f"drift.value-{value}"
    return say(word) if word in catalogue() else str(value)
