"""An appeal through the real commands, agent, data path and store: from the refusal to the upload that passes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.s3_lab import Answer, World, host_of, world
from tests.lab.institution import me

pytestmark = pytest.mark.e2e
WHY = "회사 표준 보고서 양식만 같습니다"


@pytest.fixture(scope="module")
def at() -> Iterator[World]:
    with world("moto") as made:
        made.lab.institution.signing.save(made.lab.folder / "release.pem", None)
        yield made


def send(at: World, key: str, body: bytes) -> Answer:
    host = host_of(at.land.own_key)
    return at.send("PUT", host, f"/{key}", at.signed("PUT", host, f"/{key}"), body)


def test_from_the_refusal_to_the_upload_that_passes_over_a_restart(at: World) -> None:
    lab, template = at.lab, at.tagged[:30_000] + at.harmless
    file = lab.work / "report.docx"
    file.write_bytes(template)
    refused = send(at, "report", template)
    assert refused.refused
    explained = lab.haechi("explain", refused.decision)
    assert f"haechi appeal {refused.decision}" in explained.out
    target = lab.folder / "report.appeal"
    asked = lab.haechi("appeal", refused.decision, file, WHY, "-o", target)
    assert asked.status == 0, asked.said
    request = json.loads(target.read_text())
    assert (request["decision"], request["reason"]) == (refused.decision, WHY)
    assert request["digest"] in asked.out
    assert states(at) == ["open"]
    release = lab.folder / "report.release"
    assert send(at, "report", template).refused, "asking lets nothing go"
    signed = lab.haechi(
        "keys", "release", request["digest"], "--key", lab.folder / "release.pem", "--action", "not-protected",
        "--number", "2026-31", "--approver", "박보안", "--expires", "2999-12-31", "-o", release,
    )  # fmt: skip
    assert signed.status == 0, signed.said
    other = lab.work / "other.docx"
    other.write_bytes(at.harmless)
    wrong = lab.haechi("appeal", "answer", other, "--release", release)
    assert (wrong.status, "is not for this content" in wrong.err) == (1, True), wrong.said
    answered = lab.haechi("appeal", "answer", file, "--release", release)
    assert (answered.status, "2026-31" in answered.out) == (0, True), answered.said
    passes(at, template)
    lab.stop()
    lab.start()
    at.connect()
    passes(at, template)
    assert states(at) == ["answered"]
    assert lab.haechi("audit", "verify").status == 0
    assert lab.haechi("appeal", "end", request["digest"]).status == 0
    assert send(at, "report", template).refused
    told = lab.haechi("audit", "tail").out
    for act in ("made", "answer refused", "answered, not protected"):
        assert f"appeal {act}: user" in told
    assert f"taken back: user {me().os_users[0]}, {request['digest']}" in told


def passes(at: World, template: bytes) -> None:
    assert at.accepted(send(at, "report", template))
    assert send(at, "whole", at.tagged).refused
    assert send(at, "excerpt", at.tagged[100_000:200_000]).refused


def states(at: World) -> list[Any]:
    return [one["state"] for one in at.lab.asked("appeal", "list")["appeals"]]


def test_what_is_protected_itself_is_told_so(at: World) -> None:
    file: Path = at.lab.work / "copy.bin"
    file.write_bytes(at.tagged)
    refused = send(at, "copy", at.tagged)
    said = at.lab.haechi("appeal", refused.decision, file, WHY)
    assert (said.status, "haechi untag" in said.err) == (1, True), said.said
    assert at.lab.haechi("appeal", "hd-000000000000", file, WHY).status == 1
    assert at.lab.haechi("appeal", refused.decision, at.lab.work / "missing", WHY).status == 1
