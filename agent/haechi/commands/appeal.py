"""``haechi appeal``: say that what was refused is nothing protected, and hand over the officer's signed answer.

Signing happens on the security team's machine with ``haechi keys release``, never through the agent.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from haechi.commands._files import opened
from haechi.commands._frame import answer as told
from haechi.commands._frame import json_option, one_line
from haechi.commands._output import new_file
from haechi.commands.explain import moment
from haechi.domain.errors import HaechiError
from haechi.words import say

if TYPE_CHECKING:
    from rich.console import Console

SILENCE = 600.0
"""Seconds: a large file is read twice, and compared with every protected one."""
MAX_RELEASE = 1 << 16
"""Bytes."""


class _AskingGroup(click.Group):
    """``haechi appeal ID FILE "why"`` is ``haechi appeal ask``: one command from the refusal."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """What names none of the commands is the number of a decision."""
        if args and args[0] not in self.commands and args[0] not in ("-h", "--help"):
            args = ["ask", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_AskingGroup)
def appeal() -> None:
    """Say that a refused file is nothing protected, and hand over the answer. docs/appeals.md shows the whole way.

    `haechi appeal ID FILE "why"` is short for `haechi appeal ask`.
    """


@appeal.command()
@click.argument("decision_id", metavar="ID")
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("reason")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Also write the request to a file, for officers.")
@json_option
def ask(decision_id: str, file: Path, reason: str, output: Path | None, as_json: bool) -> None:
    """Appeal against the refusal ID: FILE, which was refused, only shares blocks with a protected file.

    The agent checks that, records your words, and says what an officer needs in order to answer. Nothing passes yet.

    Example: haechi appeal hd-7K2M9Q4TXW0P report.docx "회사 표준 보고서 양식만 같습니다" -o report.appeal
    """
    from haechi.inbound.control import client

    asked = {"id": decision_id, "path": os.path.realpath(file), "reason": reason}
    with contextlib.ExitStack() as stack:
        source = stack.enter_context(opened(file))
        # Opened first: what cannot be written is told before anything is asked.
        target = stack.enter_context(new_file(output, replace=False)) if output is not None else None
        request = client.call("appeals.ask", asked, timeout=SILENCE, files=(source,))["request"]
        if target is not None:
            text = json.dumps(request, ensure_ascii=False, indent=2) + "\n"
            os.write(target.descriptor, text.encode("utf-8", "backslashreplace"))  # names need not be text
            target.commit(replace=False)

    def render(console: Console) -> None:
        _show(console, request)
        console.print("\n✓ " + say("appeal.asked", digest=request["digest"]), soft_wrap=True)
        if output is not None:
            console.print(say("appeal.written", file=output), soft_wrap=True)

    told(request, as_json, render)


@appeal.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--release",
    "release_file",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The release that the security team signed for exactly this content.",
)
@json_option
def answer(file: Path, release_file: Path, as_json: bool) -> None:
    """Hand over the signed answer for FILE. From then on it passes, and so does what consists of the same blocks.

    Example: haechi appeal answer report.docx --release report.release
    """
    from haechi.inbound.control import client

    asked = {"path": os.path.realpath(file), "release": base64.b64encode(_release(release_file)).decode("ascii")}
    with opened(file) as source:
        done = client.call("appeals.answer", asked, timeout=SILENCE, files=(source,))

    def render(console: Console) -> None:
        number, approver = done["release"]["number"], done["release"]["approver"]
        console.print("✓ " + say("appeal.answered", file=file, number=number, approver=approver), soft_wrap=True)

    told(done, as_json, render)


@appeal.command("list")
@json_option
def listed(as_json: bool) -> None:
    """List the newest appeals and whether they were answered: your own; officers see all."""
    from haechi.inbound.control import client

    found = client.call("appeals.list", timeout=SILENCE)

    def render(console: Console) -> None:
        if not found["appeals"]:
            console.print(say("appeal.none"))
        for at, one in enumerate(found["appeals"]):
            if at:
                console.print()
            console.print(say(f"appeal.state-{one['state']}"), style="bold")
            _show(console, one)

    told(found, as_json, render)


@appeal.command()
@click.argument("digest")
@json_option
def end(digest: str, as_json: bool) -> None:
    """Take back the answer for the content DIGEST (blake3:…): its blocks count again. For officers.

    Example: haechi appeal end blake3:…
    """
    from haechi.inbound.control import client

    done = client.call("appeals.end", {"digest": digest}, timeout=SILENCE)
    told(done, as_json, lambda console: console.print("✓ " + say("appeal.ended", digest=digest), soft_wrap=True))


def _release(file: Path) -> bytes:
    try:
        with file.open("rb") as source:
            return source.read(MAX_RELEASE)
    except OSError as error:
        raise HaechiError("permit.unreadable", file=str(file), cause=error.strerror or "") from error


def _show(console: Console, request: Mapping[str, Any]) -> None:
    """The request, as an officer reads it."""
    rows = {
        "at": moment(str(request["at"])),
        "user": request["user"],
        "decision": request["decision"],
        "file": request["name"],
        "digest": f"{request['digest']} ({request['size']:,} bytes)",
        "reason": request["reason"],
    }
    for name, value in rows.items():
        console.print(f"{say(f'appeal.row-{name}')}: {one_line(str(value))}", soft_wrap=True)
    for match in request["matched"] or ():
        technologies = ", ".join(match["technologies"])
        sizes = f"{match['matched_bytes']:,} / {match['total_bytes']:,} bytes"
        told = one_line(f"{match['name']} ({technologies}; {sizes})")
        console.print(f"{say('appeal.row-matched')}: {told}", soft_wrap=True)
    if request.get("answer"):
        number, approver = request["answer"]["number"], request["answer"]["approver"]
        console.print(f"{say('appeal.row-answer')}: {number} · {approver}", soft_wrap=True)
