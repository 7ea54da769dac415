"""Encrypted and sent: by somebody who opened a tagged file before, and by somebody who did not.

The agent, the file, the program that reads and encrypts it, the client and the store are real.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.e2e.in_time import back
from tests.e2e.s3_lab import TAGGED_SIZE, World
from tests.lab import Laboratory
from tests.stores import OURS, MotoStore, build_landscape

pytestmark = pytest.mark.e2e
RULES = "tags:\n  - {files: '*.recipe', technology: SEM-01, grade: A, funding: government}\n"


@pytest.fixture(scope="module")
def at() -> Iterator[World]:
    """Tagged by the folder's own rules, so that nobody but the agent opened the file before."""
    with MotoStore() as store, Laboratory(store=store) as lab:
        land = build_landscape(store)
        lab.institution.publish(accounts=[OURS.id], keys=[land.seoul_key])
        lab.configure()
        tagged = os.urandom(TAGGED_SIZE)
        (lab.work / "lot.recipe").write_bytes(tagged)
        (lab.work / "holiday.jpg").write_bytes(os.urandom(TAGGED_SIZE))
        (lab.work / ".haechi.yaml").write_text(RULES)
        made = World(store, store, land, lab, tagged, b"", b"")
        started(made)
        yield made


def started(at: World) -> None:
    at.lab.start()
    at.connect()
    back(lambda: "" if reads(at)["files"] == 1 and reads(at)["state"] == "ok" else reads(at), "to watch")


def reads(at: World) -> dict[str, Any]:
    part: dict[str, Any] = at.lab.asked("status")["parts"]["reads"]
    return part


def encrypted(source: Path, target: Path) -> bytes:
    """What openssl makes of a file."""
    command = ["openssl", "enc", "-aes-256-cbc", "-pbkdf2", "-pass", "pass:synthetic", "-in", source, "-out", target]
    subprocess.run(command, check=True, capture_output=True)
    return target.read_bytes()


def sent(at: World, key: str, body: bytes) -> str:
    """The refusal's words; empty where the store took it."""
    try:
        at.client().put_object(Bucket=at.land.own_key, Key=key, Body=body)
    except ClientError as error:
        return str(error)
    return ""


def test_encrypted_and_sent(at: World, tmp_path: Path) -> None:
    """One story, in the order of one afternoon."""
    work = at.lab.work
    harmless = encrypted(work / "holiday.jpg", tmp_path / "holiday.enc")
    assert sent(at, "before", harmless) == ""
    made = at.decided("before")
    assert at.rules("before") == ["opaque"]
    assert (made["input"]["reads"]["process"], made["input"]["reads"]["user"]) == (False, False)

    disguised = encrypted(work / "lot.recipe", tmp_path / "disguised.jpg")
    said = sent(at, "after", disguised)
    assert "opened tagged content" in said, said
    assert at.rules("after") == ["opaque_after_read"]
    latest = at.decided("after")["input"]["reads"]["latest"]
    assert latest["file"] == str(work / "lot.recipe")
    explained = at.lab.haechi("explain", at.decided("after")["id"])
    assert str(work / "lot.recipe") in explained.out, explained.said
    assert "haechi seal" in explained.out

    assert sent(at, "as-it-is", os.urandom(3000)) == "", "what can be read is judged by what it holds"
    assert sent(at, "whole", at.tagged) != ""

    at.lab.stop()
    started(at)
    assert "opened tagged content" in sent(at, "after-restart", disguised), "a restart forgets no read"


def test_a_tagged_file_renamed_out_of_the_watched_folders_is_still_one(at: World, tmp_path: Path) -> None:
    """Renaming opens nothing, and the index forgets the name; the file is the same."""
    work = at.lab.work
    (work / "moved.recipe").write_bytes(os.urandom(TAGGED_SIZE))
    back(lambda: "" if reads(at)["files"] == 2 else reads(at), "to watch the new file")
    os.rename(work / "moved.recipe", tmp_path / "holiday.bin")
    back(lambda: "" if at.lab.asked("status")["parts"]["index"]["files"] == 1 else "still known", "to forget the name")
    disguised = encrypted(tmp_path / "holiday.bin", tmp_path / "disguised.jpg")
    assert sent(at, "renamed", disguised) != ""
    assert at.decided("renamed")["input"]["reads"]["latest"]["file"] == str(work / "moved.recipe")


def test_what_was_not_seen_counts_as_read(at: World, tmp_path: Path) -> None:
    """The agent was killed, and what it had seen is gone: it says so, and until when."""
    harmless = encrypted(at.lab.work / "holiday.jpg", tmp_path / "holiday.enc")
    at.lab.kill()
    for name in (at.lab.folder / "state").glob("reads.sqlite*"):
        name.unlink()
    started(at)
    said = sent(at, "unseen", harmless)
    assert "the agent was away for a while" in said, said
    made = at.decided("unseen")
    assert at.rules("unseen") == ["opaque_reads_unknown"]
    assert made["input"]["reads"]["unseen"]["cause"] == "reads-interrupted"
    assert "last not seen" in at.lab.haechi("status").out
