"""``haechi replay``: what other policies would have decided about recorded uploads. Nothing is put in force."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeAlias

import click

from haechi.commands._frame import Exit, console, failing_as, json_option, printable, progress
from haechi.domain.errors import HaechiError
from haechi.words import catalogue, say

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    from rich.console import Console

    from haechi.app.replaying import Changed, Replayed
    from haechi.outbound.engine.folder import PolicyFolder
    from haechi.ports.recorded import Span

Document: TypeAlias = dict[str, Any]
CHANGES = ("newly_blocked", "newly_allowed", "newly_reported", "no_longer_reported", "findings_only")


@click.command()
@click.option(
    "--policy",
    "place",
    required=True,
    type=click.Path(path_type=Path),
    metavar="CANDIDATE",
    help="The policies to try.",
)
@click.option("--from", "start", help="First day in Korea, or an instant (RFC 3339). Default: the first record.")
@click.option("--to", "end", help="Last day in Korea, or until before an instant. Default: the last record.")
@click.option("--details", is_flag=True, help="Also list every decision that would change.")
@json_option
@click.option(
    "--folder", type=click.Path(path_type=Path), help="The audit's folder, instead of the one in the settings."
)
def replay(place: Path, start: str | None, end: str | None, details: bool, as_json: bool, folder: Path | None) -> int:
    """Judge the recorded decisions again under the policies in CANDIDATE, and show what would change.

    By rule, user and destination: what would newly be blocked or allowed. The recorded facts are judged as they were.
    CANDIDATE is a folder or a bundle; it need not be signed, and nothing is put in force.

    Exit code 0: nothing changes; 1: something does; 3: it could not be told, or not of every record (--json: complete).

    Example: haechi replay --policy ./policies --from 2026-11-01 --to 2026-11-30
    """
    from haechi.commands._span import span_of
    from haechi.commands.audit import audit_folder

    span = span_of(start, end)
    with failing_as("replay.failed"), _listing(details, as_json) as (note, listed):
        from haechi.outbound.engine.candidate import candidate

        if not os.path.exists(place):  # noqa: PTH110  # Path.exists raises where a folder above is closed
            raise HaechiError("replay.no-candidate", place=str(place))
        policies = candidate(place)
        with progress(say("replay.running"), shown=True) as advance:
            found, interpreted = asyncio.run(_replayed(policies, audit_folder(folder), span, note, advance))
        document = _document(policies, found, span, interpreted)
        if as_json:
            _write(document, listed)
        else:
            _show(console(), document)
    return _exit(found)


async def _replayed(
    policies: PolicyFolder,
    folder: Traversable,
    span: Span,
    note: Callable[[Changed], None],
    advance: Callable[[dict[str, Any]], None],
) -> tuple[Replayed, str]:
    """What was found, and why the candidate was interpreted where it was."""
    import gc
    import logging

    import structlog

    from haechi.app.replaying import ReplayDecisions
    from haechi.outbound.audit.decisions import FolderDecisions
    from haechi.outbound.engine.candidate import compiler_of, trial
    from haechi.settings import load

    # What the engine notes for the agent's log (a lost worker) is told by the answer.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    settings = load().engine
    # What a record leaves behind has no cycles, and looking for them took a sixth of the time.
    gc.freeze()
    gc.set_threshold(50_000)
    async with trial(policies, compiler_of(settings.compiler)) as engine:
        replaying = ReplayDecisions(FolderDecisions(folder), engine, settings.deadline_ms / 1000)
        found = await replaying(
            span, note, lambda batch: advance({"done": batch.done, "total": batch.total, "unit": "bytes"})
        )
        return found, engine.interpreted


def _exit(found: Replayed) -> Exit:
    """Something that changes is an answer, however much could not be judged; that nothing does, only the whole is."""
    if found.changed:
        return Exit.NEGATIVE
    return Exit.NOT_READY if found.incomplete or not found.judged else Exit.OK


@contextmanager
def _listing(details: bool, as_json: bool) -> Iterator[tuple[Callable[[Changed], None], IO[str] | None]]:
    """Where each change goes as it is found: nowhere, to the terminal, or aside until the document is written."""
    if not details:
        yield lambda changed: None, None
    elif as_json:
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="backslashreplace") as aside:
            yield lambda changed: _aside(changed, aside), aside
    else:
        yield lambda changed: click.echo(_line(changed)), None


def _aside(changed: Changed, aside: IO[str]) -> None:
    aside.write(json.dumps(changed.as_json(), ensure_ascii=False) + "\n")


def _line(changed: Changed) -> str:
    from haechi.commands.explain import moment

    parts = [moment(changed.time), changed.id, say(f"replay.{changed.change}"), " ".join(changed.rules)]
    return printable("  ".join([*parts, changed.user, changed.destination]))


def _document(policies: PolicyFolder, found: Replayed, span: Span, interpreted: str) -> Document:
    modes = policies.modes
    return {
        "candidate": {
            "folder": str(policies.path),
            "revision": policies.revision,
            "rules": len(policies.rules),
            "interpreted": interpreted or None,
            "modes": {"default": modes.default.value, "rules": dict(modes.by_rule), "fail": modes.fail.value},
        },
        "from": span.start,
        "to": span.end,
        **found.as_json(),
    }


def _write(document: Document, listed: IO[str] | None) -> None:
    """One document, the list of changes in it a line at a time: it may be longer than memory."""
    text = json.dumps(document, ensure_ascii=False, indent=2, default=str)
    out = sys.stdout
    if listed is None:
        out.write(_printable(text) + "\n")
        return
    out.write(_printable(text.rstrip().removesuffix("}").rstrip()) + ',\n  "details": [')
    listed.seek(0)
    for number, line in enumerate(listed):
        out.write(("," if number else "") + "\n    " + _printable(line.rstrip("\n")))
    out.write("\n  ]\n}\n")


def _printable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _show(console: Console, document: Document) -> None:
    from haechi.commands._tables import print_tally

    candidate, changes = document["candidate"], document["changes"]
    console.print(
        say("replay.about", folder=candidate["folder"], rules=candidate["rules"], mode=_mode(candidate)), soft_wrap=True
    )
    console.print(
        say("replay.judged", judged=document["judged"], records=document["records"], changed=document["changed"]),
        style="bold",
        soft_wrap=True,
    )
    console.print(_window(document), soft_wrap=True)
    if not document["records"]:
        return
    for change in (*CHANGES, "unchanged"):
        console.print(f"  {say(f'replay.{change}')}: {changes[change]}")
    if document["by_mode"]:
        console.print(say("replay.by-mode", count=document["by_mode"], mode=_mode(candidate)), soft_wrap=True)
    if document["permitted"]:
        console.print(say("replay.permitted", count=document["permitted"]), soft_wrap=True)
    if document["slow"]:
        console.print(say("replay.slow", count=document["slow"]), soft_wrap=True)
    if candidate["interpreted"]:
        console.print(say("replay.interpreted", why=candidate["interpreted"]), soft_wrap=True)
    columns = {change: say(f"replay.{change}") for change in CHANGES}
    for name in ("rules", "users", "destinations"):
        print_tally(console, say(f"replay.column-{name}"), document[name], columns)
    _show_skipped(console, document)
    if document["changed"]:
        console.print("\n" + say("replay.next"), soft_wrap=True)


def _window(document: Document) -> str:
    """What was looked at, in Korean time: the window as asked, and what records there are in it."""
    start = _korean(document["from"]) or say("replay.from-the-first")
    end = _korean(document["to"]) or say("replay.to-the-last")
    if not document["records"]:
        return say("replay.no-records", start=start, end=end)
    first, last = (_korean(document[name]) or "?" for name in ("first", "last"))
    return say("replay.window", start=start, end=end, first=first, last=last)


def _korean(moment: str | None) -> str:
    import datetime as dt

    from haechi.domain.registry import KST

    try:
        return dt.datetime.fromisoformat(moment or "").astimezone(KST).strftime("%Y-%m-%d %H:%M")
    except (ValueError, OverflowError):
        return ""


def _mode(candidate: Mapping[str, Any]) -> str:
    return say(f"policy.mode-{candidate['modes']['default']}")


def _show_skipped(console: Console, document: Document) -> None:
    """What was not judged, each reason by its name: the rest of the answer is worth no more than that."""
    if document["summaries"]:
        told = say("replay.summaries", count=document["summaries"], records=document["records"])
        console.print("\n" + told, style="bold", soft_wrap=True)
    if not document["skipped"]:
        return
    console.print("\n" + say("replay.skipped"), soft_wrap=True)
    for one in document["skipped"]:
        code = f"replay.skip-{one['reason']}"
        why = say(code) if code in catalogue() else one["reason"]
        detail = f" [{one['detail']}]" if one["detail"] else ""
        console.print(f"  {one['count']} · {why}{detail} ({' '.join(one['examples'])})", soft_wrap=True)
    if not document["complete"]:
        console.print(say("replay.incomplete"), style="bold", soft_wrap=True)
