"""What every command shares: exit codes, ``--json``, words, progress. Light: rich is imported when it is needed."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import click

from haechi.domain.errors import HaechiError
from haechi.words import LANGUAGES, say

if TYPE_CHECKING:
    from rich.console import Console


class Exit(IntEnum):
    """Exit codes of every command."""

    OK = 0
    NEGATIVE = 1
    """A negative answer: refused, invalid, not found."""
    USAGE = 2
    NOT_READY = 3
    """The agent or the environment is not ready."""
    NOT_JUDGED = 4
    """`haechi check`: no verdict would be given, the upload would pass unseen."""
    INTERRUPTED = 130
    """Ctrl-C, as shells count it."""


NOT_READY = (
    "control.", "settings.", "agent.", "cli.unexpected", "cli.missing", "doctor.not-",
    "policy.worker", "policy.folder-missing", "replay.", "baseline.", "drift.busy",
)  # fmt: skip
"""Codes that say that agent or environment are not ready. A refusal of the socket's role is an answer, not that."""

json_option = click.option("--json", "as_json", is_flag=True, help="Answer with one JSON document on standard output.")


def exit_of(error: HaechiError) -> Exit:
    """The exit code of a named error."""
    if error.code == "control.not-allowed":
        return Exit.NEGATIVE
    if error.code == "check.not-judged":
        return Exit.NOT_JUDGED
    if error.code.startswith(("cli.usage", "policy.input-")):
        return Exit.USAGE
    return Exit.NOT_READY if error.code.startswith(NOT_READY) else Exit.NEGATIVE


def error_document(error: HaechiError) -> dict[str, Any]:
    """The ``--json`` form of an error: its words in both languages, for whoever reads it later."""
    words = {language: say(error.code, language, **error.params) for language in LANGUAGES}
    return {"error": {"code": error.code, "params": error.params, "message": words}}


def write_json(document: Mapping[str, Any]) -> None:
    """One JSON document on standard output; names that are not UTF-8 become escapes, never an exception."""
    text = json.dumps(document, ensure_ascii=False, indent=2, default=str)
    sys.stdout.write(text.encode("utf-8", "backslashreplace").decode("utf-8") + "\n")


def answer(document: Mapping[str, Any], as_json: bool, render: Callable[[Console], None]) -> None:
    """Print a result for a machine or for a person."""
    if as_json:
        write_json(document)
    else:
        render(console())


def printable(text: str) -> str:
    """A text for a terminal: control characters and broken characters spelled out, so that a name cannot steer it."""
    shown = "".join(
        character if character.isprintable() or character == "\n" else repr(character)[1:-1] for character in text
    )
    return shown.encode("utf-8", "backslashreplace").decode("utf-8")


def one_line(text: str) -> str:
    """The same where a line is a statement: what others chose must not look like the next one."""
    return printable(text).replace("\n", "\\n")


def console(*, stderr: bool = False) -> Console:
    """Where people read. Markup and highlighting stay off: names of files are not markup."""
    from rich.console import Console
    from rich.text import Text

    class Plain(Console):
        """Whatever is printed may quote names that others chose."""

        def render_str(self, text: str, **more: Any) -> Text:
            return super().render_str(printable(text), **more)

    width = None if sys.stdout.isatty() else int(os.environ.get("COLUMNS", "160"))
    return Plain(stderr=stderr, markup=False, highlight=False, emoji=False, width=width)


@contextlib.contextmanager
def failing_as(code: str) -> Iterator[None]:
    """Name failures ``code``, a code of "not ready", where exit code 1 is an answer and nothing else."""
    try:
        yield
    except HaechiError as error:
        if exit_of(error) is not Exit.NEGATIVE:
            raise
        raise HaechiError(code, cause=error.code, why=say(error.code, None, **error.params)) from error


@contextlib.contextmanager
def progress(title: str, *, shown: bool = True, unit: str = "bytes") -> Iterator[Callable[[dict[str, Any]], None]]:
    """Progress on standard error for a call: hand the yielded function to ``client.call`` as ``on_progress``.

    Understands ``{"done": n, "total": n | null, "unit": "bytes"}`` and ``{"note": text}``. Without a terminal
    nothing is drawn. What is no ``unit`` of bytes is counted.
    """
    if not shown or not sys.stderr.isatty():
        yield lambda fact: None
        return
    from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    counted = DownloadColumn() if unit == "bytes" else MofNCompleteColumn()
    columns = (TextColumn("{task.description}"), BarColumn(), counted, TimeElapsedColumn())
    with Progress(*columns, console=console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None)

        def advance(fact: dict[str, Any]) -> None:
            if isinstance(fact.get("done"), int | float):
                bar.update(task, completed=fact["done"], total=fact.get("total"))
            if isinstance(fact.get("note"), str):
                bar.update(task, description=fact["note"])

        yield advance
