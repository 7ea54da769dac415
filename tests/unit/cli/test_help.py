"""Help in Korean: every command and option has words, none is left over, and click speaks Korean too."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from haechi.cli import COMMANDS, root, run
from haechi.commands._help import MODULES, korean, option_name

HANGUL = re.compile(r"[가-힣]")


def walk(path: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from walk(f"{path} {name}", inner)


def commands() -> dict[str, click.Command]:
    found: dict[str, click.Command] = {"haechi": root}
    for name in COMMANDS:
        command = root.get_command(click.Context(root), name)
        assert command is not None
        found.update(walk(name, command))
    return found


def options(command: click.Command) -> set[str]:
    return {option_name(one) for one in command.params if isinstance(one, click.Option)}


def test_every_command_and_option_has_korean_words_and_no_other() -> None:
    words = korean()
    assert set(words["commands"]) == set(commands())
    for path, command in commands().items():
        own = words["commands"][path]
        assert HANGUL.search(own["help"]), path
        told = {**words["common"], **own.get("options", {})}
        assert options(command) <= set(told), path
        assert set(own.get("options", {})) <= options(command), path
        assert all(HANGUL.search(told[name]) for name in options(command)), path


def test_what_click_says_is_looked_up_by_texts_that_click_has() -> None:
    sources = "".join(Path(module.__file__ or "").read_text(encoding="utf-8") for module in MODULES)
    sources = sources.replace("\\n", "\n").replace("\\t", "\t")
    assert [text for text in korean()["click"] if text not in sources] == []


@pytest.mark.parametrize("path", sorted(commands()))
def test_help_is_korean(path: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("HAECHI_LANG", "ko")
    assert run([*path.split(), "--help"] if path != "haechi" else ["--help"]) == 0
    said = capsys.readouterr().out
    assert "사용법:" in said and "Usage" not in said and "Options" not in said and "Show this" not in said
    assert not re.search(r"^\S?  +-.*\s{2,}[A-Z][a-z]+ [a-z]+ [a-z]+", said, re.MULTILINE), said


def test_help_is_english_for_who_reads_english(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HAECHI_LANG", "ko")
    run(["check", "--help"])
    capsys.readouterr()
    monkeypatch.setenv("HAECHI_LANG", "en")
    assert run(["check", "--help"]) == 0
    assert not HANGUL.search(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["check"], "빠진 인자: 'FILE'"),
        (["nope"], "'nope' 명령이 없습니다."),
        (["status", "--nope"], "'--nope' 옵션이 없습니다."),
        (["--lang", "fr", "status"], "값이 잘못되었습니다: 'fr'은(는)"),
        (["tag", "/nope", "--technology", "x", "--grade", "A"], "'/nope'이(가) 없습니다."),
    ],
)
def test_mistakes_of_use_are_told_in_korean(
    arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HAECHI_LANG", "ko")
    assert run(arguments) == 2
    assert said in capsys.readouterr().err
