"""``haechi doctor``: prove for each installed tool that an upload of tagged content is refused.

The agent makes synthetic content and protects it; each tool tries to upload it under a name of its own. What counts is
what the agent decided about that name, never what the tool printed.
"""

from __future__ import annotations

import base64
import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from haechi.commands._frame import Exit, answer, console, json_option
from haechi.commands._tools import TOOLS, Attempt, Tool
from haechi.domain.errors import HaechiError
from haechi.words import say

if TYPE_CHECKING:
    from rich.console import Console

LAST_WORDS = 300
"""Characters of a tool's last output line that are shown."""


class Outcome(StrEnum):
    """What became of one tool's upload."""

    REFUSED = "refused"
    OBSERVED = "observed"
    """Monitor mode: judged a violation and let through, as monitor does."""
    THROUGH = "through"
    """The agent allowed it, or the tool reports success that the agent never saw."""
    UNPROVEN = "unproven"
    """The tool failed and the agent saw nothing of the content: neither proof nor leak."""
    SKIPPED = "skipped"


CARRYING = ("upload", "assemble", "unrecognised")
"""Kinds of request that bring content."""
GOOD = (Outcome.REFUSED, Outcome.OBSERVED, Outcome.SKIPPED)


@dataclass(frozen=True, slots=True)
class Proof:
    """One row of the table."""

    tool: str
    outcome: Outcome
    decision: str = ""
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
    proofs: list[Proof] = []
    try:
        with tempfile.TemporaryDirectory(prefix="haechi-doctor-") as name:
            file = Path(name) / f"haechi-doctor-{token}.bin"
            file.write_bytes(base64.b64decode(prepared["content"]))
            with _working(shown=not as_json) as working:
                for number, tool in enumerate(installed, 1):
                    working(say("doctor.trying", tool=tool.name, number=number, count=len(installed)))
                    proofs.append(_prove(tool, file, token, mode, timeout))
        client.call("doctor.conclude", {"token": token, "tools": {one.tool: one.outcome.value for one in proofs}})
    finally:
        client.call("doctor.end", {"token": token})
    fine = all(proof.outcome in GOOD for proof in proofs)
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


def _prove(tool: Tool, file: Path, token: str, mode: str, timeout: float) -> Proof:
    """Run one tool as a person would, and ask the agent what it saw."""
    from haechi.inbound.control import client

    if tool.skipped:
        return Proof(tool.name, Outcome.SKIPPED, note=say(tool.skipped, tool=tool.name))
    name = f"haechi-doctor-{token}-{tool.name}"
    attempt = tool.attempt(Attempt(file, name, name, file.parent))
    through = [] if mode == "enforced" else [sys.executable, "-m", "haechi.cli", "run", "--"]
    environment = {**os.environ, **attempt.environment}
    for variable in attempt.unset:
        environment.pop(variable, None)
    try:
        ended = subprocess.run(
            [*through, *attempt.command],
            env=environment,
            cwd=file.parent,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
            check=False,
        )
        code, said = ended.returncode, ended.stderr + b"\n" + ended.stdout
    except subprocess.TimeoutExpired as error:
        code, said = -1, b"\n".join((error.stderr or b"", error.stdout or b"", b"timeout"))
    except OSError as error:
        return Proof(tool.name, Outcome.UNPROVEN, note=error.strerror or "")
    seen = client.call("doctor.seen", {"token": token})["decisions"]
    return _judged(tool.name, [one for one in seen if name in repr(one)], code, said)


def _judged(name: str, seen: list[dict[str, Any]], code: int, said: bytes) -> Proof:
    """From decisions and exit code to the outcome. Any decision that let it pass weighs more than a refusal before.

    Questions that a tool asks before it uploads (``read``) say nothing about the content, and a refusal for anything
    but the content (names that disagree) would say nothing about the next file.
    """
    note = next((line.strip() for line in reversed(said.decode("utf-8", "replace").splitlines()) if line.strip()), "")
    note = "".join(character for character in note if character.isprintable())[:LAST_WORDS]
    found = {one["effect"]: one["id"] for one in seen if one.get("content") == "matched"}
    passed = [one["id"] for one in seen if one["effect"] == "allow" and one.get("kind") in CARRYING]
    stopped = [one["id"] for one in seen if one["effect"] in ("block", "would_block")]
    if "allow" in found or passed or (code == 0 and not stopped):
        return Proof(name, Outcome.THROUGH, str(found.get("allow", "") or next(iter(passed), "")), note)
    if "would_block" in found:
        return Proof(name, Outcome.OBSERVED, str(found["would_block"]))
    if "block" in found:
        # A tool that reports success after a refusal hides it from its user, but nothing was stored.
        return Proof(name, Outcome.REFUSED, str(found["block"]), "" if code else say("doctor.silent-success"))
    other = next((one for one in reversed(seen) if one["effect"] == "block"), None)
    if other is not None:
        why = say("doctor.other-reason", operation=other.get("operation") or "–")
        return Proof(name, Outcome.UNPROVEN, str(other["id"]), why)
    return Proof(name, Outcome.UNPROVEN, note=note)


def _render(to: Console, proofs: list[Proof], mode: str, fine: bool) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in ("tool", "outcome", "decision", "note"):
        table.add_column(say(f"doctor.column-{column}"), overflow="fold")
    for proof in proofs:
        style = "" if proof.outcome in GOOD else "bold red"
        table.add_row(proof.tool, say(f"doctor.{proof.outcome.value}"), proof.decision, proof.note, style=style)
    to.print(table)
    to.print()
    for outcome in (Outcome.THROUGH, Outcome.UNPROVEN):
        names = ", ".join(proof.tool for proof in proofs if proof.outcome is outcome)
        if names:
            to.print(say(f"doctor.advice-{outcome.value}", tools=names), soft_wrap=True)
    if fine:
        tried = sum(1 for proof in proofs if proof.outcome is not Outcome.SKIPPED)
        to.print(say("doctor.fine", count=tried), soft_wrap=True)
    if mode != "enforced":
        to.print(say("doctor.cooperative"), soft_wrap=True)
