"""``haechi doctor``: prove for each installed tool that an upload of tagged content is refused.

The agent makes synthetic content and protects it; each tool tries to upload it under a name of its own. What counts is
what the agent decided about that content: it looks into its own records, and is told by this command no more than how
each tool ended.
"""

from __future__ import annotations

import base64
import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from haechi.app.proving import PROVEN, Outcome
from haechi.commands._frame import Exit, answer, console, json_option
from haechi.commands._tools import HOST, TOOLS, Attempt, Tool
from haechi.domain.errors import HaechiError
from haechi.domain.proof import content_name, elsewhere, object_name
from haechi.words import say

if TYPE_CHECKING:
    from rich.console import Console

LAST_WORDS = 300
"""Characters of a tool's last output line that are shown."""


@dataclass(frozen=True, slots=True)
class Proof:
    """One row of the table."""

    tool: str
    outcome: Outcome
    decision: str = ""
    note: str = ""
    executable: str = ""
    """The process that the agent saw."""


@dataclass(frozen=True, slots=True)
class Ran:
    """How one tool ended, and its last words."""

    tool: str
    ending: str
    note: str = ""


@click.command()
@click.option("--tool", "only", multiple=True, help="Try only this tool; may be repeated.")
@click.option(
    "--timeout", type=click.FloatRange(1, 600), default=60.0, show_default=True, help="Seconds for each tool."
)
@json_option
def doctor(only: tuple[str, ...], timeout: float, as_json: bool) -> int:
    """Try a synthetic tagged upload with each installed tool; each must be refused. Nothing real is uploaded.

    What counts is what the agent decided about the content, not what a tool prints. The result is recorded in the audit
    and shown by `haechi status`. docs/tools.md says what is tried and what it proves.

    Exit code 0: all were refused; 1: one got through or could not be proven; 3: no agent answers.
    """
    from haechi.inbound.control import client

    unknown = [name for name in only if name not in {tool.name for tool in TOOLS}]
    if unknown:
        raise click.UsageError(f"{unknown[0]}: one of {', '.join(tool.name for tool in TOOLS)}")
    mode = client.call("agent.status", timeout=15).get("mode", "cooperative")
    installed = [tool for tool in TOOLS if tool.installed() and (not only or tool.name in only)]
    if not installed:
        raise HaechiError("doctor.not-one-tool", tools=", ".join(only or [tool.name for tool in TOOLS]))
    prepared = client.call("doctor.prepare")
    token = prepared["token"]
    ran: list[Ran] = []
    try:
        with tempfile.TemporaryDirectory(prefix="haechi-doctor-") as name:
            file = Path(name) / f"{content_name(token)}.bin"
            file.write_bytes(base64.b64decode(prepared["content"]))
            with _working(shown=not as_json) as working:
                for number, tool in enumerate(installed, 1):
                    working(say("doctor.trying", tool=tool.name, number=number, count=len(installed)))
                    ran.append(_run(tool, file, token, mode, timeout))
        tried = {one.tool: one.ending for one in ran}
        found = client.call("doctor.conclude", {"token": token, "tools": tried, "part": bool(only)})
    finally:
        client.call("doctor.end", {"token": token})
    proofs = [_proof(one, found["tools"][one.tool]) for one in ran]
    fine = all(proof.outcome in PROVEN for proof in proofs)
    document = {"mode": mode, "proven": fine, "tools": [asdict(proof) for proof in proofs]}
    answer(document, as_json, lambda to: _render(to, proofs, mode, fine))
    return Exit.OK if fine else Exit.NEGATIVE


@contextlib.contextmanager
def _working(*, shown: bool) -> Iterator[Callable[[str], None]]:
    """Which tool is being tried, on standard error where somebody looks at it."""
    if not shown or not sys.stderr.isatty():
        yield lambda text: None
        return
    with console(stderr=True).status("") as status:
        yield status.update


def _run(tool: Tool, file: Path, token: str, mode: str, timeout: float) -> Ran:
    """Run one tool as a person would."""
    name = object_name(token, tool.name)
    folder = file.parent / tool.name
    folder.mkdir()
    attempt = tool.attempt(Attempt(file, name, name, folder, elsewhere(token, tool.name, HOST)))
    through = [] if mode == "enforced" else [sys.executable, "-m", "haechi.cli", "run", "--"]
    environment = {**os.environ, **attempt.environment}
    for variable in attempt.unset:
        environment.pop(variable, None)
    try:
        ended = subprocess.run(
            [*through, *attempt.command],
            env=environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
            check=False,
        )
        code, said = ended.returncode, ended.stderr + b"\n" + ended.stdout
    except subprocess.TimeoutExpired as error:
        code, said = -1, b"\n".join((error.stderr or b"", error.stdout or b"", b"timeout"))
    except OSError as error:
        code, said = -1, (error.strerror or "").encode()
    note = next((line.strip() for line in reversed(said.decode("utf-8", "replace").splitlines()) if line.strip()), "")
    note = "".join(character for character in note if character.isprintable())[:LAST_WORDS]
    return Ran(tool.name, "failed" if code else "well", note)


def _proof(ran: Ran, found: Mapping[str, Any]) -> Proof:
    """The agent's verdict, with a note for the person: why it is open, or that the tool hides the refusal."""
    outcome, decision, note = Outcome(found["outcome"]), str(found["decision"]), ""
    if outcome is Outcome.REFUSED and ran.ending == "well":
        note = say("doctor.silent-success")
    elif outcome is Outcome.UNPROVEN and decision:
        note = say("doctor.other-reason", operation=found["operation"] or "–")
    elif outcome not in PROVEN:
        note = ran.note
    executable = found.get("executable")
    return Proof(ran.tool, outcome, decision, note, executable if isinstance(executable, str) else "")


def _render(to: Console, proofs: list[Proof], mode: str, fine: bool) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in ("tool", "outcome", "decision", "note"):
        table.add_column(say(f"doctor.column-{column}"), overflow="fold")
    for proof in proofs:
        style = "" if proof.outcome in PROVEN else "bold red"
        table.add_row(proof.tool, say(f"doctor.{proof.outcome.value}"), proof.decision, proof.note, style=style)
    to.print(table)
    to.print()
    for outcome in (Outcome.THROUGH, Outcome.UNPROVEN):
        names = ", ".join(proof.tool for proof in proofs if proof.outcome is outcome)
        if names:
            to.print(say(f"doctor.advice-{outcome.value}", tools=names), soft_wrap=True)
    if fine:
        to.print(say("doctor.fine", count=len(proofs)), soft_wrap=True)
    if mode != "enforced":
        to.print(say("doctor.cooperative"), soft_wrap=True)
