"""``haechi audit``: follow, verify and export what was recorded.

Reads the files, without a running agent, where the person may; else asks the agent for their bytes, which it gives to
officers.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools
import os
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from haechi.commands._frame import Exit, answer, json_option, progress
from haechi.commands.explain import layers
from haechi.commands.status import summary
from haechi.domain.errors import HaechiError
from haechi.words import say, unknown

if TYPE_CHECKING:
    from rich.console import Console

    from haechi.domain.audit import Record
    from haechi.outbound.audit.verifying import Verification

OWN = ("opened", "closed", "checkpoint")
"""Kinds of record that the log writes about itself."""

folder_option = click.option(
    "--folder", type=click.Path(path_type=Path), help="The audit's folder, instead of the one in the settings."
)


@click.group()
def audit() -> None:
    """Follow, verify and export the audit. docs/audit.md explains the format and what it proves."""


@audit.command()
@click.option("-n", "--lines", "count", default=20, show_default=True, type=click.IntRange(0, 100_000))
@click.option("-f", "--follow", "following", is_flag=True, help="Go on as new records come, until Ctrl-C.")
@click.option("--all", "every", is_flag=True, help="Also the log's own records (starts, checkpoints).")
@click.option("--json", "as_json", is_flag=True, help="Records as JSON Lines, as they were written.")
@folder_option
def tail(count: int, following: bool, every: bool, as_json: bool, folder: Path | None) -> None:
    """Show the last records, one line each.

    Example: haechi audit tail -f
    """
    from haechi.outbound.audit import reading

    place = audit_folder(folder)
    shown = _last(place, count, every) if count else []
    # What the log wrote about itself behind the last shown one is passed over again, and not shown.
    after = shown[-1].seq if shown else next((r.seq for r in reading.last(place, 1)), 0)
    records: Iterator[Record] = iter(shown)
    if following:
        records = itertools.chain(records, reading.follow(place, after))
    for record in records:
        if every or record.kind not in OWN:
            click.echo(_raw(record) if as_json else _line(record))


def _last(place: Traversable, count: int, every: bool) -> list[Record]:
    """The last records that are shown: the log's own do not count, where they are hidden."""
    from haechi.outbound.audit import reading

    asked = count
    while True:
        found = reading.last(place, asked)
        shown = [record for record in found if every or record.kind not in OWN]
        if len(shown) >= count or len(found) < asked:
            return shown[-count:]
        asked *= 4


@audit.command()
@click.option(
    "--against",
    type=click.Path(path_type=Path),
    help="Checkpoints that another party kept: shows an end that was cut off or rewritten.",
)
@click.option(
    "--key",
    "key_files",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Public checkpoint key (JWK, JWKS or PEM) that you hold from elsewhere. Default: the copy beside the log.",
)
@click.option(
    "--accept-from", default=1, type=click.IntRange(1), help="Earlier records were archived; begin at this number."
)
@json_option
@folder_option
def verify(
    against: Path | None, key_files: tuple[Path, ...], accept_from: int, as_json: bool, folder: Path | None
) -> None:
    """Check that no record was changed, dropped, inserted or moved. Exit 0: nothing wrong. Exit 1: something is,
    or there is no record.

    Example: haechi audit verify --against witnessed.jsonl --key agent-7.jwk
    """
    from haechi.outbound.audit import verifying
    from haechi.outbound.audit.checkpoints import read_keys

    keys = dict(itertools.chain.from_iterable(read_keys(path).items() for path in key_files)) if key_files else None
    place = audit_folder(folder)
    with progress(say("audit.verifying"), shown=not as_json) as advance:
        result = verifying.verify(
            place,
            keys=keys,
            against=against,
            accept_from=accept_from,
            progress=lambda done, total: advance({"done": done, "total": total, "unit": "bytes"}),
        )
    answer(result.as_json(), as_json, lambda console: _show(console, result))
    if not result.ok:
        raise SystemExit(Exit.NEGATIVE)


@audit.command()
@click.option(
    "--format",
    "form",
    type=click.Choice(["jsonl", "ocsf", "csv"]),
    default="jsonl",
    show_default=True,
    help="ocsf: decisions as OCSF events for a SIEM.",
)
@click.option("--since", "start", help="From this moment (RFC 3339, or a date in Korea).")
@click.option("--until", "end", help="Until before this moment (RFC 3339, or a date in Korea).")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="A new file (mode 0600) instead of the terminal.")
@click.option("--host", default=None, help="The machine's name in OCSF events. Default: this machine's.")
@folder_option
def export(
    form: str, start: str | None, end: str | None, output: Path | None, host: str | None, folder: Path | None
) -> None:
    """Write records out as JSON Lines, OCSF or CSV. An export is a copy: `verify` wants the folder itself.

    Example: haechi audit export --format ocsf --since 2026-01-01 -o january.jsonl
    """
    from haechi import __version__
    from haechi.outbound.audit.exporting import Format, exported
    from haechi.outbound.audit.reading import between

    span = _moment(start, "--since"), _moment(end, "--until")
    records = between(audit_folder(folder), *span)
    rows = exported(records, Format(form), host=host or socket.gethostname(), version=__version__)
    count = 0
    with _output(output) as write, progress(say("audit.exporting"), shown=output is not None) as advance:
        for row in rows:
            write(row)
            count += 1
            if count % 1000 == 0:
                advance({"done": count, "total": None})
    if output is not None:
        click.echo(say("audit.exported", records=count, file=str(output)), err=True)


def audit_folder(named: Path | None) -> Traversable:
    """The folder that was named, or the settings'; where that one is closed, as the agent shows it to officers."""
    if named is not None:
        return named
    from haechi.inbound.control.client import running
    from haechi.settings import load

    settings = load()
    folder = settings.audit_folder
    if os.access(folder, os.R_OK | os.X_OK) or not running(settings.paths.control_socket):
        return folder
    from haechi.commands._shared_audit import SharedFolder

    return SharedFolder()


@contextlib.contextmanager
def _output(path: Path | None) -> Iterator[Any]:
    if path is None:
        yield sys.stdout.buffer.write
        sys.stdout.buffer.flush()
        return
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise HaechiError("audit.export-unwritable", file=str(path), cause=error.strerror or "") from error
    try:
        with os.fdopen(handle, "wb") as file:
            yield file.write
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _moment(text: str | None, option: str) -> str | None:
    if text is None:
        return None
    from haechi.domain.audit import instant
    from haechi.domain.registry import begins
    from haechi.outbound.trust.document import moment

    found: dt.date | dt.datetime | None = moment(text)
    if found is None:
        raise click.BadParameter(say("audit.not-a-moment", text=text), param_hint=option)
    return instant(begins(found))


def _raw(record: Record) -> str:
    import msgspec

    return msgspec.json.encode(record).decode()


def _line(record: Record) -> str:
    """One record for a person's eyes. What strangers named is printed without control characters."""
    event: Mapping[str, Any] = record.decoded()
    if record.kind != "decision":
        known = f"audit.kind-{record.kind}"
        told = {name: _plain(value) for name, value in event.items()}
        if record.kind == "tag":
            told["names"] = _some([_plain(file.get("path")) for file in event.get("files", ())])
        if record.kind in ("sealed", "unsealed"):
            told["tags"] = _some([_plain(tag.get("technology")) for tag in event.get("tags", ())]) or "–"
        if record.kind == "appeal":
            told["act"] = say(f"appeal.act-{event.get('act')}")
            told["about"] = _plain(event.get("name") or event.get("digest"))
        if record.kind == "permit":
            told |= _permit(event)
        if record.kind == "drift":
            told |= _drift(event)
        if record.kind == "self-test":
            told["summary"] = summary(event.get("tools") or {})
        text = say(known, **told)
        return f"{_local(record.time)}  {text if text.split(' ')[0] != known else record.kind}"
    decision = event.get("decision") or {}
    place = event.get("destination") or {}
    actor = event.get("actor") or {}
    # Those that refuse come first: with a decision's number `haechi explain` names them all.
    findings = sorted(decision.get("findings", ()), key=lambda finding: finding.get("severity") != "block")
    rules = [str(finding.get("rule")) for finding in findings]
    causes = [str(cause.get("code")) for cause in decision.get("causes", ())]
    parts = [
        _local(record.time),
        say(f"audit.effect-{decision.get('effect', 'unknown')}"),
        _plain(event.get("id")),
        _plain((event.get("action") or {}).get("operation")),
        f"{_plain(place.get('container'))}/{_plain(place.get('key'))}",
        _plain(actor.get("user")),
        layers(event) if decision.get("effect") == "allow" else "",
        _some([*causes, *rules]),
    ]
    return "  ".join(part for part in parts if part)


def _permit(event: Mapping[str, Any]) -> Mapping[str, str]:
    """What was done with a permit, and which: its kind and user as far as this act records them."""
    permit = event.get("permit") or {}
    kind = say(f"permit.kind-{permit['kind']}") if permit.get("kind") else ""
    who = _plain(permit.get("user") or event.get("user") or event.get("by"))
    why = event.get("why")
    about = [kind, _plain(event.get("permit_id")), who, _plain(permit.get("reason")), f"({_plain(why)})" if why else ""]
    return {"act": say(f"permit.act-{event.get('act')}"), "about": "  ".join(part for part in about if part)}


def _drift(event: Mapping[str, Any]) -> Mapping[str, str]:
    """A step of a finding about a container: which container, what became of it, and of the finding."""
    place, finding = event.get("destination") or {}, event.get("drift") or {}
    return {
        "container": _plain(place.get("container")),
        "what": say(f"drift.kind-{finding.get('kind')}"),
        "act": say(f"drift.state-{event.get('act')}"),
        "why": f"  {_plain(event.get('user'))}: {_plain(event.get('reason'))}" if event.get("reason") else "",
    }


def _some(names: Sequence[str], shown: int = 3) -> str:
    distinct = list(dict.fromkeys(names))
    more = f" +{len(distinct) - shown}" if len(distinct) > shown else ""
    return " ".join(distinct[:shown]) + more


def _local(text: str) -> str:
    return dt.datetime.fromisoformat(text).astimezone().isoformat(" ", "milliseconds")


def _plain(value: object) -> str:
    if isinstance(value, Mapping):
        return unknown(str(value["unknown"])) if "unknown" in value else ""
    text = "" if value is None else str(value)
    return "".join(c if c.isprintable() else "�" for c in text)[:200]


def _show(console: Console, result: Verification) -> None:
    console.print(
        say(
            "audit.verified" if result.ok else "audit.not-verified",
            records=result.records,
            segments=result.segments,
            first=result.first,
            last=result.last.seq,
            checkpoints=result.checkpoints,
            problems=result.problem_count,
        ),
        style="bold green" if result.ok else "bold red",
    )
    for problem in result.problems:
        number = problem.seq if problem.seq is not None else "?"
        console.print(
            "  ✗ " + say(f"audit.flaw-{problem.flaw.value}", where=problem.where, line=problem.line, seq=number)
        )
    if result.problem_count > len(result.problems):
        console.print("  ✗ " + say("audit.more-problems", count=result.problem_count - len(result.problems)))
    for note in result.notes:
        # Nothing anchored at all is another matter than a tail that will be.
        code = "unanchored-all" if note.code == "unanchored" and not note.params.get("after") else note.code
        console.print("  · " + say(f"audit.note-{code}", **{k: _plain(v) for k, v in note.params.items()}))
