"""Who may start the agent of an installed machine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from haechi.cli import run
from haechi.commands import agent
from haechi.commands._frame import Exit


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The state folder of an installation; the settings name it."""
    state, settings = tmp_path / "state", tmp_path / "haechi.toml"
    state.mkdir()
    settings.write_text(f'[paths]\nlayout = "service"\nstate = "{state}"\nruntime = "{tmp_path / "run"}"\n')
    monkeypatch.setenv("HAECHI_CONFIG", str(settings))
    return state


@pytest.mark.parametrize("arguments", [["agent", "start"], ["agent", "--foreground"], ["agent"]])
def test_nobody_but_the_service_starts_it(
    installed: Path, arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert run(arguments) == Exit.NOT_READY
    assert "systemctl start haechi-agent" in capsys.readouterr().err
    assert not list(installed.iterdir())


def test_the_service_s_user_runs_it(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() == 0:
        os.chown(installed, 61099, 61099)
    began: list[object] = []
    monkeypatch.setattr(os, "geteuid", lambda: installed.stat().st_uid)
    monkeypatch.setattr(agent, "_run", began.append)
    assert run(["agent"]) == 0
    assert began
