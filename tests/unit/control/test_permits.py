"""The commands about exceptions as people read them: nothing that others wrote looks like a line of ours."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from haechi.cli import run
from haechi.domain.bound import Place
from haechi.domain.permit import Permit, PermitKind
from haechi.inbound.control.peer import Peer, Role
from haechi.inbound.control.server import ControlServer
from haechi.outbound.clock import SystemClock
from haechi.outbound.trust import SigningKey
from haechi.outbound.trust.exceptions import Document

from tests.approvers import Approvers
from tests.command_line import served, settled_folder

FORGED = "urgent\nDestination: ours-seoul/lot.csv"


class Waiting:
    """What waits to be used."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.roles = {Role.ANYONE, Role.ENGINEER}
        place = Place("aws", "s3.minio.example", "", "abroad", "lot\n.csv")
        end = dt.datetime(2999, 1, 1, tzinfo=dt.UTC)
        self.permit = Permit("ex-1", PermitKind.EXCEPTION, "kim", end, place=place, reason=FORGED)

    def register(self, server: ControlServer) -> None:
        async def listed(args: dict[str, Any], peer: Peer, progress: Any) -> dict[str, Any]:
            return {"permits": [self.permit.as_json()], "more": 7}

        server.register("permits.list", listed, Role.ENGINEER)


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> Iterator[Waiting]:
    with settled_folder() as folder, served(made := Waiting(folder), monkeypatch):
        yield made


def lines(text: str, label: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith(label)]


def test_an_approver_reads_one_destination_and_whose_store_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HAECHI_LANG", "en")
    made = Approvers(SystemClock())
    SigningKey.generate().save(tmp_path / "lee.pem", None)
    request = tmp_path / "lot.request"
    request.write_bytes(Document(made.statement(reason=FORGED, store="s3.minio.example", account="")).text())
    assert run(["exception", "approve", str(request), "--key", str(tmp_path / "lee.pem"), "--yes"]) == 1
    request.write_bytes(
        Document(made.statement(reason=FORGED, number="", issued_at=None, expires_at=None, account="")).text()
    )
    capsys.readouterr()
    signed = ["--number", "2026-17", "--minutes", "5", "--yes"]
    assert run(["exception", "approve", str(request), "--key", str(tmp_path / "lee.pem"), *signed]) == 0
    shown = capsys.readouterr().err
    assert lines(shown, "Destination") == ["Destination: abroad/lot.csv"]
    assert lines(shown, "Store") == ["Store: aws · bucket owned by account unknown (it could not be read)"]


def test_the_list_says_where_and_what_it_leaves_out(waiting: Waiting, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["exception", "list"]) == 0
    out = capsys.readouterr().out
    assert "s3.minio.example" in out
    assert lines(out, "Destination") == []
    assert "7 more" in out
