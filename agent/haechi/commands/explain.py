"""``haechi explain ID``: the facts, findings and rule text of one decision."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from haechi.commands._findings import print_causes, print_findings
from haechi.commands._frame import answer, json_option
from haechi.domain.registry import KST
from haechi.words import catalogue, language, say, unknown

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
            "at": moment(str(record.get("at", ""))),
            "action": " ".join(str(action.get(name, "")) for name in ("provider", "operation")),
            "destination": "/".join(filter(None, (str(place.get("container", "")), str(place.get("key", ""))))),
            "actor": _actor(actor),
            "content": describe_content(content),
            "layers": layers(record),
            "place": _place(_facts(record, "destination")),
            "permit": _permit(record.get("permit")),
            "read": _read((record.get("input") or {}).get("reads")),
            "unfit": _unfit(record.get("permits_unfit") or ()),
            "matched": ", ".join(_match(match) for match in content.get("matches", [])),
        }
        for name, value in rows.items():
            if value:
                console.print(f"{say('explain.' + name)}: {value}", soft_wrap=True)
        print_findings(console, result["findings"], rules=not no_rules)
        print_causes(console, result["causes"])
        if _may_be_false(result["effect"], content):
            console.print("\n" + say("explain.appeal", id=result["id"]), soft_wrap=True)
        if result["unwritten"]:
            console.print("\n" + say("explain.unwritten"), soft_wrap=True)
        if result["policy_changed"]:
            console.print("\n" + say("explain.policy-changed"), soft_wrap=True)
        if facts:
            console.print("\n" + json.dumps(record.get("input", {}), ensure_ascii=False, indent=2), soft_wrap=True)

    answer(result, as_json, render)


def moment(text: str) -> str:
    """An instant as the person's clock shows it; in Korean by Korea's, as the registry's dates are."""
    try:
        at = dt.datetime.fromisoformat(text).astimezone(KST if language() == "ko" else None)
        return at.strftime("%Y-%m-%d %H:%M:%S %Z")
    except ValueError:
        return text


def describe_content(content: Mapping[str, Any]) -> str:
    """What an upload carried, in words."""
    tags = ", ".join(f"{tag['technology']} ({tag['grade']})" for tag in content.get("tags", []))
    state = content.get("state")
    return say(f"check.content-{state}", tags=tags) if state else tags


def _may_be_false(effect: str, content: Mapping[str, Any]) -> bool:
    """Whether an appeal may help: nothing but parts of tagged files was recognised."""
    found = {match.get("how") for match in content.get("matches", [])}
    return effect in ("block", "would_block") and "partial" in found and "exact" not in found


def _facts(record: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """What was known of the destination or the encryption when it was judged; empty where it was not kept."""
    facts = (record.get("input") or {}).get(name) or {}
    facts = facts.get("facts", {}) if name == "destination" else facts
    return facts if isinstance(facts, Mapping) else {}


def layers(record: Mapping[str, Any]) -> str:
    """How tagged content was encrypted: by its user (layer 1, R13) and by the provider (layer 2, R14)."""
    encryption = _facts(record, "encryption")
    if not encryption or not (record.get("content") or {}).get("matches"):
        return ""
    first = say("explain.layer1" if (record.get("content") or {}).get("sealed") else "explain.no-layer1")
    mode = encryption.get("mode")
    code = f"value.mode.{mode}"
    second = say(code) if isinstance(mode, str) and code in catalogue() else _plain(mode)
    return f"{first} + {say('explain.layer2', mode=second)}"


def _place(facts: Mapping[str, Any]) -> str:
    """The destination as it was read from the provider, in one line."""
    if not facts:
        return ""
    told = {name: _plain(facts.get(name)) for name in ("country", "region", "account")}
    blocked = (facts.get("public") or {}).get("blocked")
    public = say(f"policy.{'yes' if blocked else 'no'}") if isinstance(blocked, bool) else _plain(blocked)
    return say("explain.place-told", **told, blocked=public)


def _permit(permit: Mapping[str, Any] | None) -> str:
    """By what it was let go though rules spoke against it: kind, number, approvers, and the words of whoever asked."""
    if not permit:
        return ""
    who = ", ".join(permit["approvers"]) or permit["user"]
    return f"{say('permit.kind-' + permit['kind'])} {permit['number']} · {who} · {permit['reason']}"


def _read(reads: Mapping[str, Any] | None) -> str:
    """The read of tagged content that it followed from: file, when, by which program."""
    latest = reads.get("latest") if reads else None
    if not latest:
        return ""
    pid, program = latest.get("pid"), _plain(latest.get("executable"))
    who = f"{program} ({pid})" if isinstance(pid, int) else program
    return " · ".join((_plain(latest.get("file")), moment(str(latest.get("at", ""))), who))


def _unfit(permits: Sequence[Mapping[str, Any]]) -> str:
    """Which of the user's permits did not let it go, and why; not those that are for another object."""
    near = [one for one in permits if one.get("why") != "other-place"]
    return "; ".join(f"{one['id']} ({say('permit.unfit-' + one['why'])})" for one in near)


def _match(match: Mapping[str, Any]) -> str:
    how = f"explain.how-{match['how']}"
    words = say(how, share=f"{match['share']:.0%}")
    return f"{match['name'] or '–'} ({words if not words.startswith(how) else match['how']})"


def _actor(actor: Mapping[str, Any]) -> str:
    program = _plain(actor.get("executable"))
    script, pid = actor.get("script"), actor.get("pid")
    named = f"{script}, {program}" if isinstance(script, str) and script else program
    return f"{_plain(actor.get('user'))} · {named}" + (f" ({pid})" if isinstance(pid, int) else "")


def _plain(fact: object) -> str:
    if isinstance(fact, dict) and "unknown" in fact:
        return unknown(str(fact["unknown"]))
    return "–" if fact is None else str(fact)
