"""Exceptions, break-glass and justifications through the real commands, agent, data path and store."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from boto3.exceptions import S3UploadFailedError
from haechi.outbound.engine.folder import locate

from tests.e2e.s3_lab import Answer, World, host_of, world
from tests.lab import Laboratory
from tests.stores import OURS

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def at() -> Iterator[World]:
    with world("moto") as made:
        for name, key in made.lab.institution.approvers.items():
            key.save(made.lab.folder / f"{name}.pem", None)
        yield made


@pytest.fixture
def asking(request: pytest.FixtureRequest) -> Iterator[World]:
    """The machine of an institution that asks for a reason where its own encryption (R13) is left out."""

    def lenient(lab: Laboratory) -> None:
        folder = lab.folder / "config" / "policies"
        shutil.copytree(locate(), folder)
        data = folder / "data.yaml"
        said = data.read_text(encoding="utf-8").split("  severities:\n    value: {}\n")
        data.write_text("  severities:\n    value: {r13_layer1: justify}\n".join(said), encoding="utf-8")
        lab.institution.sign_policies(folder)

    with world("moto", before=lenient, policies=lambda lab: lab.folder / "config/policies") as made:
        yield made


def put(at: World, key: str, body: bytes) -> bool:
    host = host_of(at.land.own_key)
    answer = at.send("PUT", host, f"/{key}", at.signed("PUT", host, f"/{key}"), body)
    return not answer.refused and at.accepted(answer)


def started(at: World) -> None:
    at.lab.start()
    at.connect()


def plain(at: World) -> Path:
    """The tagged file, as it lies in the person's folder."""
    path = at.lab.work / "plain.bin"
    path.write_bytes(at.tagged)
    return path


def approve(at: World, request: Path, name: str, *more: str) -> Any:
    done = at.lab.haechi("exception", "approve", request, "--key", at.lab.folder / f"{name}.pem", "--yes", *more)
    assert done.status == 0, done.said
    return done


def requested(at: World, key: str, file: Path | None = None) -> Path:
    target = at.lab.folder / f"{key}.request"
    url, why = f"s3://{at.land.own_key}/{key}", "복구 시험에 필요합니다"
    done = at.lab.haechi("exception", "request", file or plain(at), url, "--reason", why, "-o", target)
    assert done.status == 0, done.said
    return target


def test_two_approvers_let_one_upload_go_and_no_second(at: World) -> None:
    assert not put(at, "once", at.tagged)
    request = requested(at, "once")
    assert json.loads(request.read_text())["statement"]["rules"] == ["r13_layer1"]
    assert at.lab.haechi("exception", "use", request).status == 1, "nobody has approved it"
    approve(at, request, "이승인", "--number", "2026-17", "--minutes", "30")
    half = at.lab.haechi("exception", "use", request)
    assert (half.status, "2 different people" in half.err) == (1, True)
    approve(at, request, "박승인")
    assert at.lab.haechi("exception", "use", request).status == 0
    assert f"{at.land.own_key}/once" in at.lab.haechi("exception", "list").out
    assert not put(at, "elsewhere", at.tagged)
    assert put(at, "once", at.tagged)
    assert not put(at, "once", at.tagged)
    again = at.lab.haechi("exception", "use", request)
    assert (again.status, "was used" in again.err) == (1, True)
    let = [one for one in at.lab.decisions() if one.get("permit")]
    assert [(one["permit"]["number"], one["permit"]["approvers"]) for one in let] == [("2026-17", ["이승인", "박승인"])]
    assert at.lab.haechi("audit", "verify").status == 0


def test_an_exception_outlives_the_agent_and_what_was_used_does_not_come_back(at: World) -> None:
    request = requested(at, "later")
    approve(at, request, "이승인", "--number", "2026-18", "--minutes", "30")
    approve(at, request, "박승인")
    assert at.lab.haechi("exception", "use", request).status == 0
    at.lab.stop()
    state = at.lab.folder / "state"
    old = {path: path.read_bytes() for path in state.glob("permits.sqlite*")}
    started(at)
    assert put(at, "later", at.tagged)
    at.lab.stop()
    for path in state.glob("permits.sqlite*"):
        path.unlink()
    for path, content in old.items():
        path.write_bytes(content)
    started(at)
    assert not put(at, "later", at.tagged)
    assert at.lab.haechi("exception", "use", request).status == 1
    assert "put an old file back" in at.lab.haechi("status").out


def test_a_real_client_sends_the_approved_file_in_parts_and_nothing_else(at: World) -> None:
    """boto3 cuts by itself; the same beginning with another end is another file."""
    file, other = at.lab.work / "large.bin", at.lab.work / "other.bin"
    file.write_bytes(at.tagged + random.Random(1).randbytes(9 << 20))
    other.write_bytes(at.tagged + random.Random(2).randbytes(9 << 20))
    request = requested(at, "large", file)
    place = json.loads(request.read_text())["statement"]["place"]
    assert (place["store"], place["account"]) == ("", OURS.id)
    approve(at, request, "이승인", "--number", "2026-19", "--minutes", "30")
    approve(at, request, "박승인")
    assert at.lab.haechi("exception", "use", request).status == 0
    with pytest.raises(S3UploadFailedError, match="Haechi refused this upload"):
        at.client().upload_file(str(other), at.land.own_key, "large")
    refused = next(one for one in reversed(at.lab.decisions()) if one["decision"]["effect"] == "block")
    assert "not exactly the bytes" in at.lab.haechi("explain", refused["id"]).out
    at.client().upload_file(str(file), at.land.own_key, "large")
    let = at.lab.decisions()[-1]
    assert (let["action"]["operation"], let["permit"]["number"]) == ("CompleteMultipartUpload", "2026-19")
    with pytest.raises(S3UploadFailedError, match="Haechi refused this upload"):
        at.client().upload_file(str(file), at.land.own_key, "large")


def test_breaking_the_glass_shows_in_the_status(at: World) -> None:
    request = at.lab.folder / "glass.request"
    done = at.lab.haechi("exception", "break-glass", "--reason", "라인 정지 긴급 복구", "-o", request)
    assert done.status == 0, done.said
    assert at.lab.haechi("exception", "approve", request, "--key", at.lab.folder / "이승인.pem", "--yes").status == 1
    approve(at, request, "이승인", "--number", "E-1", "--minutes", "10")
    approve(at, request, "박승인")
    assert at.lab.haechi("exception", "use", request).status == 0
    assert put(at, "emergency", at.tagged)
    assert put(at, "emergency-2", at.tagged)
    assert "the glass is broken" in at.lab.haechi("status").out
    (opened,) = at.lab.asked("exception", "list")["permits"]
    assert at.lab.haechi("exception", "end", opened["id"]).status == 0
    assert not put(at, "emergency-3", at.tagged)


def test_who_is_asked_for_a_reason_gives_one_and_goes_on(asking: World) -> None:
    at, host = asking, host_of(asking.land.own_key)

    def send(key: str) -> Answer:
        return at.send("PUT", host, f"/{key}", at.signed("PUT", host, f"/{key}"), at.tagged)

    refused = send("report")
    assert refused.refused
    assert f"haechi justify {refused.decision}" in refused.body.decode()
    short = at.lab.haechi("justify", refused.decision, "왜")
    assert (short.status, "10 to 2000 characters" in short.err) == (1, True)
    reason = "고객사 긴급 대응, 팀장 승인 메일"
    assert at.lab.haechi("justify", refused.decision, reason).status == 0
    assert send("elsewhere").refused
    assert at.accepted(send("report"))
    let = at.decided("report")
    assert (let["permit"]["reason"], let["permit"]["number"]) == (reason, refused.decision)
    assert reason in at.lab.haechi("explain", at.lab.decisions()[-1]["id"]).out


def test_a_reason_does_not_suffice_where_a_rule_blocks(at: World) -> None:
    host = host_of(at.land.own_key)
    refused = at.send("PUT", host, "/why", at.signed("PUT", host, "/why"), at.tagged)
    assert b"haechi justify" not in refused.body
    said = at.lab.haechi("justify", refused.decision, "고객사 긴급 대응, 팀장 승인 메일")
    assert (said.status, "r13_layer1" in said.err) == (1, True), said.said
    assert at.lab.haechi("justify", "hd-000000000000", "고객사 긴급 대응, 팀장 승인 메일").status == 1
