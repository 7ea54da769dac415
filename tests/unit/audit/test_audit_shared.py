"""The audit over the control socket: the same answers as from the folder, for officers alone."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from click.testing import CliRunner
from haechi.commands._shared_audit import SharedFolder
from haechi.commands.audit import audit
from haechi.domain.errors import HaechiError
from haechi.inbound.control import client
from haechi.inbound.control.peer import Role
from haechi.inbound.control.records import register_records
from haechi.inbound.control.server import ControlServer
from haechi.outbound.audit import AuditSettings, SegmentedAuditLog, verify
from haechi.outbound.audit.reading import between, follow, last
from haechi.outbound.audit.sharing import MOST, SharedFiles


class Agent:
    """The socket of an agent that keeps its audit in ``folder``."""

    def __init__(self, folder: Path, socket: Path) -> None:
        self.roles = {Role.OFFICER}
        self._shared, self._socket = SharedFiles(folder), socket
        self._started, self._stopping = threading.Event(), threading.Event()

    async def serve(self) -> None:
        server = ControlServer(self._socket, lambda peer: self.roles, structlog.get_logger())
        register_records(server, self._shared.listed, self._shared.read)
        await server.start()
        self._started.set()
        await asyncio.to_thread(self._stopping.wait)
        await server.stop()

    def __enter__(self) -> Agent:
        self._thread = threading.Thread(target=lambda: asyncio.run(self.serve()))
        self._thread.start()
        assert self._started.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join(10)


@pytest.fixture
def agent(folder, tmp_path, monkeypatch, key, clock) -> Iterator[Agent]:
    with SegmentedAuditLog(folder, key, clock, AuditSettings(segment_bytes=4096, checkpoint_records=20)) as log:
        for number in range(200):
            log.soon({"kind": "decision", "id": f"d{number}", "pad": "x" * 100})
    socket = tmp_path / "run" / "control.sock"
    monkeypatch.setattr(client, "default_path", lambda: socket)
    with Agent(folder, socket) as made:
        yield made


def test_officers_read_what_lies_in_the_folder(agent, folder, key):
    shared = SharedFolder()
    assert list(between(shared)) == list(between(folder))
    assert last(shared, 7) == last(folder, 7) and len(last(folder, 7)) == 7
    keys = {key.id: key.public}
    there, here = verify(shared, keys=keys), verify(folder, keys=keys)
    assert there == here and there.ok and there.records > 200


def test_a_change_shows_over_the_socket_too(agent, folder, key):
    segment = min(folder.glob("0*.jsonl"))
    segment.write_bytes(segment.read_bytes().replace(b'"id":"d3"', b'"id":"d9"'))
    assert not verify(SharedFolder(), keys={key.id: key.public}).ok


def test_an_engineer_is_told_nothing(agent):
    agent.roles = {Role.ENGINEER}
    with pytest.raises(HaechiError, match=r"control\.not-allowed"):
        last(SharedFolder(), 1)
    with pytest.raises(HaechiError, match=r"control\.not-allowed"):
        client.call("audit.read", {"file": "checkpoints.jsonl", "offset": 0, "most": 10})


@pytest.mark.parametrize("name", ["../keys/checkpoint.pem", "lock", "/etc/passwd", "000000000000.jsonl"])
def test_only_files_of_the_audit_are_read(agent, name):
    with pytest.raises(HaechiError, match=r"audit\.missing"):
        client.call("audit.read", {"file": name, "offset": 0, "most": 10})


def test_pieces_are_bounded(folder, tmp_path):
    folder.mkdir()
    (folder / "000000000001.jsonl").write_bytes(b"x" * (MOST + 10))
    assert len(SharedFiles(folder).read("000000000001.jsonl", 0, 1 << 40)) == MOST


def test_following_goes_on_where_it_was(folder, key, clock):
    with SegmentedAuditLog(folder, key, clock, AuditSettings(segment_bytes=4096)) as log:
        log.soon({"kind": "decision", "id": "first"})
        new = follow(folder, 0)
        assert next(new).kind == "opened" and next(new).decoded()["id"] == "first"
        for number in range(100):
            log.soon({"kind": "decision", "id": f"d{number}", "pad": "x" * 100})
        decisions = (record.decoded()["id"] for record in new if record.kind == "decision")
        assert [next(decisions) for _ in range(100)] == [f"d{number}" for number in range(100)]


def test_the_command_asks_the_agent_where_the_folder_is_closed(agent, folder, tmp_path, monkeypatch):
    from haechi.commands import audit as command

    monkeypatch.setattr(command.os, "access", lambda path, mode: False)
    (tmp_path / "haechi.toml").write_text(f"[paths]\nruntime = '{tmp_path / 'run'}'\nstate = '{tmp_path}'\n")
    monkeypatch.setenv("HAECHI_CONFIG", str(tmp_path / "haechi.toml"))
    monkeypatch.setattr(client, "running", lambda path=None: True)
    said = CliRunner().invoke(audit, ["tail", "-n", "3", "--json", "--all"])
    assert said.exit_code == 0, said.output
    assert said.stdout.count("\n") == 3
