"""Monitor mode never blocks: under every fault tagged content is forwarded as it is, and recorded where it can be."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator

import pytest

from tests.e2e.fault_lab import KIB, MIB, TOKYO, Ward, tag, ward
from tests.e2e.in_time import back
from tests.stores import started_store

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def at() -> Iterator[Ward]:
    with (
        started_store() as (store, land),
        ward(store, land, monitor=True, datapath=f"spool_limit = {MIB}", more="[engine]\ndeadline_ms = 300\n") as made,
    ):
        yield made
        made.verified()


def forwarded(at: Ward, key: str, body: bytes, *, bucket: str = "", region: str = "ap-northeast-2") -> dict:
    """Stored as it is, and recorded as what would have been refused."""
    answer = at.put(key, body, bucket=bucket, region=region)
    assert answer.status == 200, answer
    assert at.held(key, bucket=bucket) == body
    (event,) = [one for one in at.lab.decisions() if (one["destination"] or {}).get("key") == key]
    assert event["decision"]["effect"] == "would_block", event["decision"]
    return event


def test_tagged_content_goes_out_and_is_recorded(at: Ward) -> None:
    event = forwarded(at, at.key("plain"), at.tagged)
    assert "r13_layer1" in [one["rule"] for one in event["decision"]["findings"]]


@pytest.mark.parametrize(
    "body",
    [b"zz\r\n" + bytes(100), b"64\r\n" + bytes(100) + b"XX0\r\n\r\n", b"64\r\n" + bytes(100) + b"\r\n"],
    ids=["no size", "no end", "no last chunk"],
)
def test_broken_framing_is_the_stores_to_judge(at: Ward, body: bytes) -> None:
    key = at.key("framing")
    headers = [
        ("Content-Encoding", "aws-chunked"),
        ("X-Amz-Content-Sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
        ("X-Amz-Decoded-Content-Length", "100"),
    ]
    answer = at.raw(key, body, headers)
    assert "Haechi" not in answer.body, answer
    # What is complete may have been judged already when the framing breaks behind it: the last word counts.
    *_, event = [one for one in at.lab.decisions() if (one["destination"] or {}).get("key") == key]
    assert event["decision"]["effect"] == "would_block"
    assert [one["code"] for one in event["decision"]["causes"]] == ["body-malformed"]


@pytest.mark.parametrize("how", ["kill", "suspend"])
def test_without_an_engine(at: Ward, how: str) -> None:
    (worker,) = at.lab.processes("engine.worker")
    getattr(worker, how)()
    for _ in range(3):
        forwarded(at, at.key("engineless"), at.tagged)
    back(lambda: at.lab.processes("engine.worker") == [worker], "another worker")


def test_with_a_locked_index(at: Ward) -> None:
    other = sqlite3.connect(at.lab.folder / "state" / "index.sqlite", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        fresh = at.lab.work / "fresh.bin"
        fresh.write_bytes(os.urandom(32 * KIB))
        assert at.lab.haechi("tag", fresh, "--technology", "SEM-01", "--grade", "A").status == 1
        event = forwarded(at, at.key("unknown"), fresh.read_bytes())
        assert event["decision"]["causes"] or event["decision"]["findings"]
    finally:
        other.execute("ROLLBACK")
        other.close()
    back(lambda: at.status()["parts"]["index"]["state"] != "ok", "the index")
    tag(at, fresh)
    forwarded(at, at.key("known"), fresh.read_bytes())


def test_beyond_the_spool(at: Ward) -> None:
    """Nothing is held where nothing would be refused, so a full spool cannot become a block."""
    forwarded(at, at.key("abroad"), at.tagged + os.urandom(3 * MIB), bucket=at.land.tokyo, region=TOKYO)


def test_a_control_document_beyond_the_spool_is_the_stores_to_judge(at: Ward) -> None:
    rule = b"<CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>*</AllowedOrigin></CORSRule>"
    filler = b" " * (3 * MIB)
    answer = at.raw("?cors", b"<CORSConfiguration>" + rule + filler + b"</CORSConfiguration>")
    assert answer.status == 200, answer
    *_, event = [one for one in at.lab.decisions() if one["action"]["operation"] == "PutBucketCors"]
    assert event["decision"]["effect"] != "block" and not event["decision"]["causes"], event["decision"]


def test_with_a_ledger_that_cannot_be_written(at: Ward) -> None:
    ledger = at.lab.folder / "state" / "objects.sqlite"
    aside = ledger.with_name("aside")
    shutil.copy(ledger, aside)
    for ending in ("-wal", "-shm"):
        ledger.with_name(ledger.name + ending).unlink(missing_ok=True)
    ledger.write_bytes(os.urandom(32 * KIB))
    try:
        key = at.key("unremembered")
        assert at.put(key, at.tagged).status == 200
        assert at.held(key) == at.tagged
    finally:
        shutil.copy(aside, ledger)
