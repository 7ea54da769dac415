"""What people read of names that others chose: spelled out, never obeyed by their terminal."""

from __future__ import annotations

import json

import pytest
from haechi.commands._frame import answer, console
from rich.console import Console
from rich.table import Table

EVIL = "a\x1b]0;owned\x07\x1b[2Jb\x9b31m\rc"
BAD = ("\x1b", "\x07", "\x9b", "\r")


def test_no_control_character_reaches_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    def render(to: Console) -> None:
        table = Table("name")
        table.add_row(EVIL)
        to.print(EVIL, soft_wrap=True)
        to.print(f"two\nlines {EVIL}", style="bold")
        to.print(table)

    answer({"key": EVIL}, False, render)
    said = capsys.readouterr().out
    assert not [bad for bad in BAD if bad in said]
    assert said.count("owned") == 3 and "\\x1b" in said and "two\nlines" in said


def test_the_document_for_machines_keeps_names_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    answer({"key": EVIL}, True, lambda to: None)
    assert json.loads(capsys.readouterr().out)["key"] == EVIL


def test_the_words_on_standard_error_are_held_to_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    console(stderr=True).print(EVIL)
    assert "\x1b" not in capsys.readouterr().err
