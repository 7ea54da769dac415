"""``haechi tags`` over the real control socket: more files than one line of it has room for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from haechi import cli
from haechi.domain.tags import Grade, Tag
from haechi.inbound.control.peer import Role
from haechi.inbound.control.server import ControlServer
from haechi.inbound.watch.calls import TagCalls
from haechi.ports.protection import Stamp, TaggedFile, Unreadable

from tests.command_line import served, settled_folder, told

MANY = 30_000
TAG = Tag("SEM-01", Grade.A)


class Bench:
    """A socket whose index knows many files; ``tagging`` stands where the use case would."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.roles = {Role.ENGINEER, Role.OFFICER}
        self.asked = 0

    def listed(self, below: str) -> Sequence[TaggedFile]:
        self.asked += 1
        if below != "/":
            return []
        stamp = Stamp(1, 1, 10, 0, 0)
        return [TaggedFile(f"/data/공정 {n:05}.gds", stamp, (TAG,), n, f"blake3:{n:064x}") for n in range(MANY)]

    def unreadable(self) -> Sequence[Unreadable]:
        return [Unreadable(f"/data/공정 {n:05}.gds", (TAG,), "permission-denied") for n in range(MANY)]

    def register(self, server: ControlServer) -> None:
        tagging: Any = SimpleNamespace(listed=self.listed, unreadable=self.unreadable)
        nothing: Any = lambda *_: None  # noqa: E731 - nothing is tagged or released here
        calls = TagCalls(tagging, nothing, nothing, nothing, lambda peer: self.roles)
        server.register("tags.list", calls.list, Role.ENGINEER)


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    with settled_folder() as folder:
        made = Bench(folder)
        with served(made, monkeypatch):
            yield made


def test_many_files_are_listed_whole_and_each_once(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["tags", "/", "--json"]) == 0
    said = told(capsys)
    assert [file["path"] for file in said["files"]] == [file.path for file in bench.listed("/")]
    assert said["count"] == MANY


def test_so_are_many_that_cannot_be_read(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["tags", "/", "--unreadable", "--json"]) == 0
    assert len({file["path"] for file in told(capsys)["unreadable"]}) == MANY


def test_a_folder_that_is_not_there_is_told(bench: Bench, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert cli.run(["tags", str(tmp_path / "nope")]) == 1
    assert str(tmp_path / "nope") in capsys.readouterr().err
    assert bench.asked, "the agent may still remember names of a folder that is gone"
