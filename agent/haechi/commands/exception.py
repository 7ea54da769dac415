"""``haechi exception`` and ``haechi justify``: let one upload go, with two approvers' signatures or with a reason.

Requests are written here and by the agent; signing happens on the approvers' machines, never through the agent; what
they signed is handed over with ``use``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from haechi.commands._files import opened
from haechi.commands._frame import Exit, answer, json_option, one_line, progress
from haechi.commands._output import NewFile, new_file
from haechi.commands.keys import key_option, passphrase_option, signing_key
from haechi.domain.errors import HaechiError
from haechi.words import say

if TYPE_CHECKING:
    from rich.console import Console

    from haechi.outbound.trust.exceptions import Document

SILENCE = 600.0
"""Seconds: a large file is inspected, and its destination is read live."""

reason_option = click.option(
    "--reason", required=True, help="Why it has to be: the approvers read it, and so it stays."
)
output_option = click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, help="The file that the approvers get."
)


@click.group()
def exception() -> None:
    """Let one refused upload go: with the signatures of two approvers, once. docs/exceptions.md shows the whole way."""


@exception.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("url", metavar="s3://BUCKET/KEY")
@reason_option
@output_option
@click.option("--endpoint-url", default="", help="An S3-compatible store instead of AWS, as the AWS CLI takes it.")
@json_option
def request(file: Path, url: str, reason: str, output: Path, endpoint_url: str, as_json: bool) -> None:
    """Write a request for an exception for FILE to s3://BUCKET/KEY: what the rules say, and what is asked for.

    Says at once where an exception cannot help: what a statute forbids, nobody in the institution can permit.

    Example: haechi exception request lot.csv s3://partner/lot.csv --reason "고객사 합동 분석" -o lot.request
    """
    from haechi.inbound.control import client

    asked = {"path": str(file.absolute()), "url": url, "endpoint": endpoint_url, "reason": reason}
    # Opened first: what cannot be written is told before a large file is read.
    with opened(file) as source, new_file(output, replace=False) as target:
        with progress(file.name, shown=not as_json) as advance:
            made = client.call("permits.request", asked, timeout=SILENCE, files=(source,), on_progress=advance)
        _write_request(made["statement"], target, output, as_json)


@exception.command("break-glass")
@reason_option
@output_option
@json_option
def break_glass(reason: str, output: Path, as_json: bool) -> None:
    """Write a request for an emergency: some minutes in which you may upload past every rule that is no statute's.

    Two people sign it with `haechi exception approve`; opening it, and every upload that it lets go, is shown on the
    desktop, in haechi status and in the audit.
    """
    from haechi.inbound.control import client

    with new_file(output, replace=False) as target:
        made = client.call("permits.break-glass", {"reason": reason})
        _write_request(made["statement"], target, output, as_json)


@exception.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@key_option
@passphrase_option
@click.option("--number", help="The institution's number of the approval. The first approver says it.")
@click.option("--minutes", type=click.IntRange(1, 7 * 24 * 60), help="How long it holds. The first approver says it.")
@click.option("--yes", is_flag=True, help="Do not ask: what is approved was read before.")
@json_option
def approve(
    file: Path,
    key: Path,
    passphrase_file: Path | None,
    number: str | None,
    minutes: int | None,
    yes: bool,
    as_json: bool,
) -> None:
    """Sign the request in FILE, which is changed in place. Two different people have to, each with a key of their own.

    The first approver says for how long it holds and under which number; the second signs the same.

    Example: haechi exception approve lot.request --key lee.pem --number 2026-17 --minutes 60
    """
    from haechi.outbound.trust.exceptions import approved, signed_by

    document = _document(file)
    signed_by(document)
    document = _dated(document, number, minutes)
    if not as_json:
        _show(document)
    if not yes and not click.confirm(say("permit.approve-ask"), err=True):
        raise HaechiError("cli.interrupted")
    signed = approved(document, signing_key(key, passphrase_file))
    _replace(file, signed.text())
    count = len(signed.approvals)
    told = {"file": str(file), "id": signed.statement.id, "approvals": count}
    code = "permit.approved" if count >= 2 else "permit.approved-half"
    answer(told, as_json, lambda console: console.print("✓ " + say(code, file=file), soft_wrap=True))


@exception.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@json_option
def use(file: Path, as_json: bool) -> None:
    """Hand the approved FILE to the agent of this machine. Then upload: exactly what was approved goes, once.

    Example: haechi exception use lot.request, then haechi run -- aws s3 cp lot.csv s3://partner/lot.csv
    """
    from haechi.inbound.control import client

    permit = client.call("permits.use", {"document": _document(file).text().decode()})

    def render(console: Console) -> None:
        code = f"permit.armed-{permit['kind']}"
        console.print("✓ " + say(code, until=_moment(permit["expires"]), place=_place(permit)), soft_wrap=True)

    answer(permit, as_json, render)


@exception.command("list")
@json_option
def listed(as_json: bool) -> None:
    """List the exceptions, break-glass permits and justifications that are armed: your own; officers see all."""
    from haechi.inbound.control import client

    found = client.call("permits.list")

    def render(console: Console) -> None:
        if not found["permits"]:
            console.print(say("permit.none"))
        for one in found["permits"]:
            kind, until = say(f"permit.kind-{one['kind']}"), _moment(one["expires"])
            told = one_line(f"{one['id']}  {kind}  {one['user']}  {_place(one)}  → {until}")
            console.print(told, soft_wrap=True)
            if one["place"]:
                console.print(f"    {say('permit.row-store')}: {_store(one['place'])}", soft_wrap=True)
            console.print(f"    {one_line(one['reason'])}", soft_wrap=True)
        if found["more"]:
            console.print(say("permit.more", more=found["more"]))

    answer(found, as_json, render)


@exception.command()
@click.argument("permit_id", metavar="ID")
@json_option
def end(permit_id: str, as_json: bool) -> None:
    """End an exception, break-glass permit or justification before its time: your own; officers end anybody's."""
    from haechi.inbound.control import client

    permit = client.call("permits.end", {"id": permit_id})
    answer(permit, as_json, lambda console: console.print("✓ " + say("permit.ended", id=permit_id)))


@click.command()
@click.argument("decision_id", metavar="ID")
@click.argument("reason")
@json_option
def justify(decision_id: str, reason: str, as_json: bool) -> int:
    """Say why the upload that decision ID refused has to be; then repeat it within ten minutes.

    Only where every rule that spoke asks for no more than a reason. Your words are recorded with the upload.

    Example: haechi justify hd-7K2M9Q4TXW0P "고객사 긴급 대응, 팀장 승인 메일 11월 26일"
    """
    from haechi.inbound.control import client

    permit = client.call("permits.justify", {"id": decision_id, "reason": reason})

    def render(console: Console) -> None:
        until = _moment(permit["expires"])
        console.print("✓ " + say("permit.armed-justification", until=until, place=_place(permit)), soft_wrap=True)

    answer(permit, as_json, render)
    return Exit.OK


def _write_request(statement: Mapping[str, Any], target: NewFile, output: Path, as_json: bool) -> None:
    import os

    import msgspec

    from haechi.outbound.trust.exceptions import document_from

    raw = msgspec.json.encode({"statement": statement})
    os.write(target.descriptor, document_from(raw).text())
    target.commit(replace=False)

    def render(console: Console) -> None:
        console.print("✓ " + say("permit.requested", file=output), soft_wrap=True)

    answer({"file": str(output), "statement": dict(statement)}, as_json, render)


def _document(file: Path) -> Document:
    from haechi.outbound.trust.exceptions import MAX_DOCUMENT, document_from

    try:
        with file.open("rb") as opened_file:
            return document_from(opened_file.read(MAX_DOCUMENT + 1))
    except OSError as error:
        raise HaechiError("permit.unreadable", file=str(file), cause=error.strerror or "") from error


def _dated(document: Document, number: str | None, minutes: int | None) -> Document:
    """With number and end: the first approver's to say, and nobody's after that."""
    import msgspec

    if document.approvals:
        if number or minutes:
            raise HaechiError("permit.already-dated", id=document.statement.id)
        return document
    if not number or not minutes:
        raise HaechiError("permit.no-end", id=document.statement.id)
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    end = now + dt.timedelta(minutes=minutes)
    statement = msgspec.structs.replace(document.statement, number=number, issued_at=now, expires_at=end)
    return msgspec.structs.replace(document, statement=statement)


def _show(document: Document) -> None:
    """What is about to be signed, on standard error."""
    import msgspec

    from haechi.commands._frame import console
    from haechi.outbound.trust.exceptions import signed_by

    said, out = document.statement, console(stderr=True)
    rows = {
        "id": said.id,
        "kind": say(f"permit.kind-{said.kind.value}"),
        "user": said.user,
        "agent": said.agent,
        "place": f"{said.place.container}/{said.place.key}" if said.place else "",
        "store": _store(msgspec.structs.asdict(said.place)) if said.place else "",
        "digest": f"{said.digest} ({said.size:,} bytes)" if said.digest and said.size is not None else said.digest,
        "rules": ", ".join(said.rules),
        "reason": said.reason,
        "number": said.number,
        "until": _moment(said.expires_at.isoformat()) if said.expires_at else "",
        "signed": ", ".join(signed_by(document)),
    }
    for name, value in rows.items():
        if value:
            out.print(f"{say(f'permit.row-{name}')}: {one_line(value)}", soft_wrap=True)


def _replace(file: Path, text: bytes) -> None:
    import os

    with new_file(file, replace=True) as made:
        os.write(made.descriptor, text)
        made.commit(replace=True)


def _place(permit: Mapping[str, Any]) -> str:
    place = permit.get("place")
    return f"{place['container']}/{place['key']}" if place else say("permit.anywhere")


def _store(place: Mapping[str, Any]) -> str:
    """Where the container is: whose, and at which store."""
    account = place["account"] or say("permit.account-unknown")
    return say("permit.store", store=place["store"] or place["provider"], account=account)


def _moment(text: str) -> str:
    return dt.datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M %Z")
