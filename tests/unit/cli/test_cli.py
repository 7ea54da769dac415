"""The command line as people and scripts meet it: words, exit codes, JSON errors, start-up, and documentation."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from haechi import cli
from haechi.cli import COMMANDS, root, run
from haechi.commands import agent as agent_command
from haechi.commands._frame import Exit, exit_of
from haechi.domain.errors import HaechiError

DOCS = Path(__file__).parents[3] / "docs"


@pytest.fixture(autouse=True)
def own_home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="hh") as name:
        Path(name, "h.toml").write_text(f"[paths]\nstate='{name}/s'\nconfig='{name}/c'\nruntime='{name}/r'\n")
        monkeypatch.setenv("HAECHI_CONFIG", f"{name}/h.toml")
        monkeypatch.setenv("HAECHI_LANG", "en")
        monkeypatch.delenv("HAECHI_DEBUG", raising=False)
        yield Path(name)


def failing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    @click.command()
    @click.option("--json", "as_json", is_flag=True)
    def broken(as_json: bool) -> None:
        raise error

    monkeypatch.setattr(cli.LazyGroup, "get_command", lambda self, ctx, name: broken)


def test_wrong_usage_is_2_and_names_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["seal"]) == Exit.USAGE
    said = capsys.readouterr()
    assert "haechi seal --help" in said.err
    assert said.out == ""


def test_an_unknown_command_is_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["fly"]) == Exit.USAGE
    assert "fly" in capsys.readouterr().err


def test_without_an_agent_commands_are_3_and_say_how_to_start_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["status"]) == Exit.NOT_READY
    assert "haechi agent start" in capsys.readouterr().err


def test_an_error_in_json_has_code_parameters_and_both_languages(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["status", "--json"]) == Exit.NOT_READY
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == "control.not-running"
    assert "socket" in error["params"]
    assert set(error["message"]) == {"ko", "en"}


def test_the_language_can_be_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    run(["--lang", "ko", "status"])
    assert "에이전트" in capsys.readouterr().err


def test_the_settings_may_choose_the_language(
    own_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("HAECHI_LANG")
    monkeypatch.setenv("LC_ALL", "C")
    file = own_home / "h.toml"
    file.write_text('language = "ko"\n' + file.read_text())
    run(["status"])
    assert "에이전트" in capsys.readouterr().err


def test_an_unforeseen_failure_shows_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failing(monkeypatch, KeyError("x"))
    assert run(["status"]) == Exit.NOT_READY
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert "KeyError" in said
    monkeypatch.setenv("HAECHI_DEBUG", "1")
    run(["status"])
    assert "Traceback" in capsys.readouterr().err


def test_ctrl_c_is_130(monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, KeyboardInterrupt())
    assert run(["status"]) == 130


def test_a_name_with_control_characters_cannot_write_on_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failing(monkeypatch, HaechiError("seal.exists", name="\x1b]0;evil\x07"))
    assert run(["seal"]) == Exit.NEGATIVE
    assert "\x1b" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("control.not-running", 3),
        ("control.not-allowed", 1),
        ("settings.unknown-key", 3),
        ("agent.died", 3),
        ("seal.no-recipients", 1),
        ("explain.not-found", 1),
    ],
)
def test_a_named_error_has_its_exit_code(code: str, expected: int) -> None:
    assert exit_of(HaechiError(code)) == expected


def test_a_command_whose_module_is_missing_breaks_only_itself(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(COMMANDS, "tag", ("haechi.commands.no_such_module", "tag"))
    assert run(["--help"]) == 0
    assert run(["tag"]) == Exit.NOT_READY
    assert "haechi.commands.no_such_module" in capsys.readouterr().err


HEAVY = """
import sys
from haechi.cli import run
run(['--help'])
listed = {name.split('.')[0] for name in sys.modules}
heavy = listed & {'rich', 'pyrage', 'boto3', 'grpc', 'asyncio', 'cryptography', 'ruamel'}
commands = [name for name in sys.modules if name.startswith('haechi.commands.') and '._' not in name]
sys.exit(f'{heavy} {commands}' if heavy or commands else 0)
"""


def test_help_imports_no_command_and_nothing_heavy() -> None:
    ended = subprocess.run([sys.executable, "-c", HEAVY], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr


def test_help_is_quick() -> None:
    # CPU time, so that a busy machine does not fail it.
    before = os.times()
    for _ in range(3):
        subprocess.run([sys.executable, "-m", "haechi.cli", "--help"], capture_output=True, timeout=60, check=True)
    after = os.times()
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    assert spent / 3 < 0.25


def test_a_reader_that_goes_away_is_no_failure() -> None:
    ended = subprocess.run(
        f"{sys.executable} -m haechi.cli settings show | head -1",
        shell=True,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.stderr == ""


def test_settings_show_tells_value_and_origin(own_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["settings", "show", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["settings"]["paths.state"] == {"value": f"{own_home}/s", "origin": f"{own_home}/h.toml:2"}
    assert document["settings"]["telemetry.metrics"] == {"value": "off", "origin": "default"}


AGENT = """
import asyncio, sys
from haechi.commands.agent import held
from haechi.inbound.control.server import ControlServer
from haechi.settings import load
import structlog
paths = load().paths

async def main():
    server = ControlServer(paths.control_socket, lambda peer: set(), structlog.get_logger())
    await server.start()
    await asyncio.sleep(60)

with held(paths.lock):
    asyncio.run(main())
"""


def test_the_background_agent_is_found_by_its_socket_and_stopped(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = subprocess.Popen
    stand_in = lambda command, **more: real([sys.executable, "-c", AGENT], **more)  # noqa: E731
    monkeypatch.setattr(agent_command.subprocess, "Popen", stand_in)
    assert run(["agent", "start", "--json"]) == 0
    started = json.loads(capsys.readouterr().out)
    assert started["started"] is True
    assert run(["agent", "start", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {**started, "started": False}
    assert run(["agent", "stop", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["pid"] == started["pid"]
    assert run(["agent", "stop", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["stopped"] is False


def test_a_start_right_after_a_stop_waits_for_the_old_agent_to_end(
    own_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An agent that ends holds the lock still, and answers no more."""
    real, asked = subprocess.Popen, threading.Event()
    stand_in = lambda command, **more: real([sys.executable, "-c", AGENT], **more)  # noqa: E731
    monkeypatch.setattr(agent_command.subprocess, "Popen", stand_in)
    running = agent_command.running_pid

    def asks(path: Path) -> int | None:
        asked.set()
        return running(path)

    monkeypatch.setattr(agent_command, "running_pid", asks)
    held, ended = threading.Event(), threading.Event()

    def old_agent() -> None:
        with agent_command.held(own_home / "r" / "agent.lock"):
            held.set()
            ended.wait(20)

    def ends() -> None:
        asked.wait(20)
        ended.set()

    threads = [threading.Thread(target=run_of) for run_of in (old_agent, ends)]
    for thread in threads:
        thread.start()
    held.wait(20)
    assert run(["agent", "start", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["started"] is True
    assert run(["agent", "stop", "--json"]) == 0
    for thread in threads:
        thread.join()


def test_an_agent_that_does_not_end_keeps_another_from_starting(
    own_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with agent_command.held(own_home / "r" / "agent.lock"):
        assert run(["agent", "start", "--wait", "1"]) == Exit.NOT_READY
    assert str(os.getpid()) in capsys.readouterr().err


def test_an_agent_that_dies_at_start_shows_its_last_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = subprocess.Popen
    stand_in = lambda command, **more: real([sys.executable, "-c", "import sys; sys.exit('no policy')"], **more)  # noqa: E731
    monkeypatch.setattr(agent_command.subprocess, "Popen", stand_in)
    began = time.monotonic()
    assert run(["agent", "start"]) == Exit.NOT_READY
    assert time.monotonic() - began < 10
    assert "no policy" in capsys.readouterr().err


def test_two_agents_never_share_one_state(own_home: Path) -> None:
    lock = own_home / "r" / "agent.lock"
    with agent_command.held(lock), pytest.raises(HaechiError) as caught, agent_command.held(lock):
        pass
    assert caught.value.code == "agent.locked"
    assert caught.value.params["pid"] == str(os.getpid())


def documented_commands() -> Iterator[tuple[str, click.Command]]:
    def walk(path: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
        yield path, command
        for name, inner in getattr(command, "commands", {}).items():
            yield from walk(f"{path} {name}", inner)

    for name in COMMANDS:
        command = root.get_command(click.Context(root), name)
        assert command is not None, name
        yield from walk(name, command)


@pytest.mark.parametrize("page", ["commands.md", "commands.ko.md"])
def test_every_command_and_option_is_documented(page: str) -> None:
    sections: dict[str, str] = {}
    for part in (DOCS / page).read_text(encoding="utf-8").split("\n## ")[1:]:
        heading, _, text = part.partition("\n")
        sections[heading.strip("` ").removeprefix("haechi ")] = text
    commands: dict[str, Any] = dict(documented_commands())
    assert set(sections) == set(commands)
    for path, command in commands.items():
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert all(f"`{option}`" in sections[path] for option in parameter.opts), (path, parameter.name)
