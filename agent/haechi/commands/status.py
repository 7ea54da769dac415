"""``haechi status``: what the agent says of itself and its parts, on one page. ``--json`` has every figure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click

from haechi.commands._frame import Exit, answer, json_option
from haechi.words import catalogue, say, unknown

if TYPE_CHECKING:
    from rich.console import Console

Fact = Mapping[str, Any]


@click.command()
@json_option
def status(as_json: bool) -> int:
    """Show whether the agent works: mode, Envoy, engine, index, registry, policy, audit, the last self-test.

    Exit code 0: every part works; 1: a part is degraded or failed; 3: no agent answers.
    """
    from haechi.inbound.control import client

    result = client.call("agent.status", timeout=15)
    parts: dict[str, dict[str, Any]] = result.get("parts", {})
    fine = result.get("ready", False) and all(part.get("state") == "ok" for part in parts.values())
    answer(result, as_json, lambda console: _render(console, result, parts, fine))
    return Exit.OK if fine else Exit.NEGATIVE


def _render(console: Console, result: Fact, parts: Mapping[str, Fact], fine: bool) -> None:
    from rich.table import Table

    ready = "status.fine" if fine else "status.limited" if result.get("ready") else "status.not-ready"
    mode = "status.enforced" if result.get("mode") == "enforced" else "status.cooperative"
    console.print(say(ready, version=result.get("version", "")), style="bold" if fine else "bold red")
    console.print(say(mode), soft_wrap=True)
    console.print()
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    for _ in range(3):
        table.add_column(overflow="fold")
    for name, part in parts.items():
        state = str(part.get("state", "failed"))
        label = say(f"status.part-{name}") if f"status.part-{name}" in catalogue() else name
        about = [_problem(part), *PARTS.get(name, _anything)(part)]
        style = {"ok": "", "starting": "yellow", "busy": "yellow", "degraded": "yellow"}.get(state, "bold red")
        table.add_row(label, say(f"status.state-{state}"), " · ".join(filter(None, about)), style=style)
    table.add_row(say("status.part-self_test"), *_self_test(result.get("self_test")))
    console.print(table)


def _problem(part: Fact) -> str:
    """What is wrong with a part, in words where its code has some."""
    code = part.get("problem") or part.get("cause")
    if not code:
        return ""
    known = {**part, **(part.get("about") or {})}
    words = say(str(code), **{name: value for name, value in known.items() if name != "lang"})
    return str(code) if "{" in words else words


def _data_path(part: Fact) -> list[str]:
    return [
        _words("status.proxy", part, "proxy_host", "proxy_port"),
        _words("status.judged", part, "requests", "refused"),
        *_tunnels(part.get("tunnels") or {}),
        say("status.no-networks") if part.get("networks") == 0 else "",
        _words("status.restarts", part, "restarts") if part.get("restarts") else "",
        _words("status.cut", part, "failed") if part.get("failed") else "",
    ]


def _tunnels(counts: Fact) -> list[str]:
    doubtful = (_words(f"status.tunnels-{name}", counts, name) for name in ("refused", "observed") if counts.get(name))
    return [_words("status.tunnels", counts, "passed"), *doubtful]


def _authority(part: Fact) -> list[str]:
    return [say("status.until", until=_day(part["not_after"]))] if part.get("not_after") else []


REFUSED: Mapping[str, str] = {
    "earlier": "status.policy-kept",
    "kept": "status.policy-copy",
    "shipped": "status.policy-void",
    "none": "status.policy-none",
}
"""What is in force instead of the policies in the folder."""


def _engine(part: Fact) -> list[str]:
    refused = REFUSED.get(str(part.get("in_force")), "") if part.get("problem") else ""
    return [
        say(refused) if refused else "",
        *_issue(part.get("issue") or {}),
        _words("status.rules", part, "rules"),
        _opa(part.get("engine") or {}),
        say("status.interpreted", why=part["interpreted"]) if part.get("interpreted") else "",
        *(say(f"status.{name}-{part[name]}") for name in ("mode", "fail") if part.get(name)),
    ]


def _opa(engine: Fact) -> str:
    """Which OPA server answers; nothing for the engine of our own."""
    if engine.get("kind") != "opa":
        return ""
    return say("status.opa", server=engine.get("server"), version=engine.get("version") or "–")


def _issue(issue: Fact) -> list[str]:
    """Which issue of the policies is in force, and whether their source still says so."""
    source, told = issue.get("source"), []
    if issue.get("sequence") is not None:
        told.append(say("status.issue", sequence=issue["sequence"], issued=_moment(issue.get("issued_at"))))
    if source and issue.get("confirmed_at"):
        told.append(say("status.confirmed", source=source, at=_moment(issue["confirmed_at"])))
    elif source and issue.get("unconfirmed_seconds") is not None:
        told.append(say("status.unconfirmed", source=source))
    return told


def _index(part: Fact) -> list[str]:
    unreadable = _words("status.unreadable", part, "unreadable") if part.get("unreadable") else ""
    busy = _words("status.behind", part, "pending") if part.get("state") == "busy" else ""
    scanning = part.get("scanning") or {}
    looked = _words("status.looked-at", scanning, "files") if busy and scanning else ""
    unwatched = part.get("unwatched") or {}
    blind = say("status.unwatched", count=len(unwatched), folder=next(iter(unwatched))) if unwatched else ""
    seen = looked or _scanning(scanning)
    misunderstood = _words("status.misunderstood", part, "misunderstood") if part.get("misunderstood") else ""
    return [_words("status.files", part, "files"), busy, seen, unreadable, blind, misunderstood]


def _scanning(scan: Fact | None) -> str:
    """How far the agent is with going through all folders."""
    return _words("status.scanning", scan, "files", "tagged", "folder") if scan else ""


STALE_S = 60
"""From when on the page says how long ago the registry was confirmed: a source is asked several times a minute."""


def _reads(part: Fact) -> list[str]:
    gaps, unwatched = part.get("gaps") or [], part.get("unwatched")
    sees = str(part.get("sees"))
    last = gaps[-1] if gaps else {}
    return [
        say(f"status.reads-{sees}", since=_moment(part.get("since"))) if f"status.reads-{sees}" in catalogue() else "",
        _words("status.reads-files", part, "files") if sees != "nothing" else "",
        _words("status.reads-unwatched", part, "unwatched") if unwatched else "",
        say("status.reads-gap", begin=_moment(last["from"]), end=_moment(last["to"]), cause=unknown(str(last["cause"])))
        if last
        else "",
    ]


def _registry(part: Fact) -> list[str]:
    told = []
    if part.get("sequence") is not None:
        told.append(say("status.registry", sequence=part["sequence"], issued=_moment(part.get("issued_at"))))
        told.append(say("status.registry-age", days=int(part.get("age_seconds") or 0) // 86_400))
    stale = part.get("unconfirmed_seconds")
    if isinstance(stale, int) and stale >= STALE_S:
        name = "status.stale" if part.get("confirmed_at") else "status.never-confirmed"
        told.append(say(name, minutes=f"{stale // 60:,}"))
    return told


def _trust(part: Fact) -> list[str]:
    kept = say("status.trust-kept") if part.get("problem") else ""
    return [kept, _words("status.keys", part, "keys")]


def _permits(part: Fact) -> list[str]:
    opened = _words("status.permits-open", part, "open") if part.get("open") else ""
    return [opened, say("status.permits-behind") if part.get("behind") else "", _words("status.permits", part, "armed")]


def _audit(part: Fact) -> list[str]:
    written = part.get("durable", 0) + part.get("soon", 0)
    troubles = [_words(f"status.audit-{name}", part, name) for name in ("refused", "lost", "outages") if part.get(name)]
    return [say("status.records", records=f"{written:,}", checkpoints=part.get("checkpoints", 0)), *troubles]


def _log(part: Fact) -> list[str]:
    return [_words("status.log-lost", part, "lost") if part.get("lost") else ""]


def _anything(part: Fact) -> list[str]:
    """A part that this page knows nothing of: its plain values."""
    hidden = ("state", "problem", "about", "cause")
    return [
        f"{key} {value}" for key, value in part.items() if key not in hidden and isinstance(value, str | int | float)
    ]


PARTS: Mapping[str, Callable[[Fact], list[str]]] = {
    "data_path": _data_path,
    "authority": _authority,
    "engine": _engine,
    "index": _index,
    "reads": _reads,
    "registry": _registry,
    "trust": _trust,
    "permits": _permits,
    "audit": _audit,
    "log": _log,
}


def _self_test(last: Fact | None) -> tuple[str, str]:
    """State and text of the row about ``haechi doctor``."""
    if not last:
        return "–", say("status.never-tested")
    state = say("status.state-ok" if last.get("proven") else "status.tools-open")
    return state, " · ".join([_moment(last.get("at")), str(last.get("user", "")), summary(last.get("tools", {}))])


def summary(tools: Mapping[str, str]) -> str:
    """Outcomes of a self-test: the tools of each, the bad ones first."""
    order = ("through", "unproven", "refused", "observed")
    named = {outcome: ", ".join(name for name, one in tools.items() if one == outcome) for outcome in order}
    return "; ".join(f"{say(f'doctor.{outcome}')}: {names}" for outcome, names in named.items() if names)


def _words(code: str, part: Fact, *names: str) -> str:
    if any(part.get(name) is None for name in names):
        return ""
    return say(code, **{name: f"{part[name]:,}" if _is_count(name, part[name]) else part[name] for name in names})


def _is_count(name: str, value: object) -> bool:
    return isinstance(value, int) and name != "proxy_port"


def _moment(text: object) -> str:
    try:
        return dt.datetime.fromisoformat(str(text)).astimezone().strftime("%Y-%m-%d %H:%M")
    except ValueError:
        return str(text)


def _day(text: object) -> str:
    return _moment(text)[:10]
