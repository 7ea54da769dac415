"""The calls about appeals, over the real socket: who may do what, and who sees whose."""

from __future__ import annotations

import getpass
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from haechi.cli import run
from haechi.inbound.control.appeals import register_appeals
from haechi.inbound.control.peer import Role
from haechi.inbound.control.protocol import MAX_LINE
from haechi.inbound.control.server import ControlServer
from haechi.inbound.control.turns import Turns

from tests.command_line import served, settled_folder, told

DIGEST = "blake3:" + "a" * 64
ROW = {
    "id": "a1", "at": "2026-11-26T00:00:00+00:00", "user": "kim", "decision": "hd-1", "name": "/w/f", "digest": DIGEST,
    "size": 5, "matched": [], "reason": "only a template", "state": "open", "answer": None,
}  # fmt: skip


class Desk:
    """Answers as the use cases would, and keeps what it was asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.roles: set[Role] = {Role.ANYONE, Role.ENGINEER}
        self.seen: list[Any] = []
        self.rows: list[dict[str, Any]] = [ROW]

    async def ask(self, source: int, path: str, decision: str, uid: int, user: str, reason: str) -> dict[str, Any]:
        self.seen.append((path, decision, user, reason))
        return ROW

    async def __call__(self, source: int, path: str, release: bytes, user: str) -> dict[str, Any]:
        self.seen.append((path, release))
        return {"release": {"number": "N-1", "approver": "Park"}}

    async def end(self, digest: str, user: str) -> None:
        self.seen.append(digest)

    def listed(self, user: str | None) -> list[dict[str, Any]]:
        self.seen.append(user)
        return self.rows

    def register(self, server: ControlServer) -> None:
        register_appeals(server, self.ask, self, self.listed, lambda peer: self.roles, Turns())  # type: ignore[arg-type]


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    with settled_folder() as folder, served(made := Desk(folder), monkeypatch):
        (folder / "f").write_bytes(b"plain")
        (folder / "f.release").write_bytes(b"signed")
        yield made


@pytest.mark.parametrize("words", [["appeal"], ["appeal", "ask"]])
def test_one_command_from_the_refusal_asks(desk: Desk, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    target = desk.folder / f"{len(words)}.appeal"
    assert run([*words, "hd-1", str(desk.folder / "f"), "only a template", "-o", str(target)]) == 0
    assert desk.seen == [(str(desk.folder / "f"), "hd-1", getpass.getuser(), "only a template")]
    assert json.loads(target.read_text()) == ROW
    assert f"haechi keys release {DIGEST} --action not-protected" in capsys.readouterr().out


def test_a_name_that_is_no_text_or_steers_terminals_is_spelled_out(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(ROW, "name", "/w/\udcb0\x1b[31m")
    target = desk.folder / "odd.appeal"
    assert run(["appeal", "hd-1", str(desk.folder / "f"), "only a template", "-o", str(target)]) == 0
    assert "/w/\\udcb0\\x1b[31m" in capsys.readouterr().out
    assert "\x1b" not in target.read_text(encoding="utf-8")


def test_a_request_overwrites_nothing(desk: Desk) -> None:
    assert run(["appeal", "hd-1", str(desk.folder / "f"), "only a template", "-o", str(desk.folder / "f.release")]) != 0
    assert (desk.folder / "f.release").read_bytes() == b"signed"
    assert desk.seen == [], "nothing is on record for a request that could not be written"


def test_the_answer_is_handed_over_as_it_was_signed(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    release = str(desk.folder / "f.release")
    assert run(["appeal", "answer", str(desk.folder / "f"), "--release", release]) == 0
    assert desk.seen == [(str(desk.folder / "f"), b"signed")]
    assert "N-1, Park" in capsys.readouterr().out


def test_engineers_see_their_own_and_take_nothing_back(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["appeal", "list"]) == 0
    assert "only a template" in capsys.readouterr().out
    assert desk.seen == [getpass.getuser()]
    assert run(["appeal", "end", DIGEST]) == 1
    assert desk.seen == [getpass.getuser()]


def test_officers_see_all_and_take_back(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.roles.add(Role.OFFICER)
    assert run(["appeal", "list", "--json"]) == 0
    assert told(capsys)["appeals"] == [ROW]
    assert run(["appeal", "end", DIGEST]) == 0
    assert desk.seen == [None, DIGEST]


def test_a_long_list_ends_where_an_answer_has_no_more_room(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.rows = [{**ROW, "reason": "x" * (MAX_LINE // 10)}] * 20
    assert run(["appeal", "list", "--json"]) == 0
    assert 0 < len(told(capsys)["appeals"]) < 20
