"""Where the audit's folder is closed, officers replay what the agent shows them; nobody else does."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from haechi.cli import run
from haechi.commands import audit as audit_command
from haechi.inbound.control import client
from haechi.inbound.control.peer import Role
from haechi.outbound.engine.folder import locate

from tests.unit.audit.test_audit_shared import Agent


def test_officers_replay_over_the_socket_and_engineers_do_not(
    audit: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    socket = tmp_path / "run" / "control.sock"
    file = tmp_path / "haechi.toml"
    file.write_text(f"[paths]\nstate='{tmp_path}/s'\nconfig='{tmp_path}/c'\nruntime='{socket.parent}'\n")
    monkeypatch.setenv("HAECHI_CONFIG", str(file))
    access = os.access
    monkeypatch.setattr(
        audit_command.os, "access", lambda path, mode, **more: "s/audit" not in str(path) and access(path, mode, **more)
    )
    monkeypatch.setattr(client, "running", lambda path=None: True)
    with Agent(audit, socket) as agent:
        assert run(["replay", "--policy", str(locate()), "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert (found["records"], found["judged"], found["complete"]) == (12, 9, True)
        agent.roles = {Role.ENGINEER}
        assert run(["replay", "--policy", str(locate()), "--json"]) == 3
        error = json.loads(capsys.readouterr().out)["error"]
        assert (error["code"], error["params"]["cause"]) == ("replay.failed", "control.not-allowed")
