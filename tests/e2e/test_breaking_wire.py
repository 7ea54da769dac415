"""Requests that two servers might read differently, through the real Envoy: never a forbidden object at the store."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.fault_lab import KIB, Ward, ward
from tests.stores import started_store

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def at() -> Iterator[Ward]:
    with started_store() as (store, land), ward(store, land) as made:
        yield made
        made.verified()


def chunks(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n0\r\n\r\n" % (len(data), data)


def test_two_framings_of_one_body(at: Ward) -> None:
    """Content-Length against Transfer-Encoding: what comes behind the shorter one must not become a request."""
    first, second = at.key(), at.key()
    with at.wire() as wire:
        behind = wire.head("PUT", f"/{second}", [("Content-Length", str(len(at.tagged)))]) + at.tagged
        head = wire.head("PUT", f"/{first}", [("Content-Length", "5"), ("Transfer-Encoding", "chunked")])
        wire.send(head + b"0\r\n\r\n" + behind)
        assert wire.answer().status != 200
    at.absent(first, second)


@pytest.mark.parametrize(
    "headers",
    [
        [("Content-Length", "0"), ("Content-Length", "65536")],
        [("Content-Length", "0, 65536")],
        [("Content-Length", "+65536")],
        [("Transfer-Encoding", "xchunked"), ("Content-Length", "65536")],
        [("Transfer-Encoding", "chunked, identity")],
        [("Content-Length", "65536"), ("X-A", "b\r\n x-amz-copy-source: a/b")],
        [("Content-Length", "65536"), ("Connection", "content-length, x-amz-content-sha256")],
        [("Content-Length", "65536"), ("X-HTTP-Method-Override", "GET")],
        [("Content-Length", "65536"), ("Expect", "100-continue")],
        [("Content-Length", "65536"), ("Upgrade", "websocket"), ("Connection", "Upgrade")],
        [("Content-Length", "65536"), ("X-Haechi-Hold", "a-token-of-mine")],
    ],
)
def test_heads_that_can_be_read_in_two_ways(at: Ward, headers: list[tuple[str, str]]) -> None:
    key = at.key()
    assert at.raw(key, at.tagged, headers).status != 200
    at.absent(key)


def test_names_that_disagree(at: Ward) -> None:
    """The tunnel says one host, the request another, in each place where it can."""
    key = at.key()
    other = f"{at.land.own_key}.s3.ap-northeast-2.amazonaws.com"
    length = [("Content-Length", str(len(at.tagged)))]
    for line, host in ((f"https://{other}/{key}", "elsewhere.s3.us-east-1.amazonaws.com"), (f"/{key}", "example.com")):
        with at.wire() as wire:
            head = wire.head("PUT", line, length).replace(f"Host: {wire.host}".encode(), f"Host: {host}".encode())
            wire.send(head + at.tagged)
            assert wire.answer().status != 200
    with at.wire() as wire:
        wire.send(wire.head("PUT", f"/{key}", [("Host", "elsewhere.s3.amazonaws.com"), *length]) + at.tagged)
        assert wire.answer().status != 200
    at.absent(key)


def test_a_host_in_capitals_with_port_and_dot_is_the_same_host(at: Ward) -> None:
    key = at.key()
    for host in (at.wire().host.upper(), at.wire().host + ":443", at.wire().host + "."):
        with at.wire() as wire:
            head = wire.head("PUT", f"/{key}", [("Content-Length", str(len(at.tagged)))])
            wire.send(head.replace(f"Host: {wire.host}".encode(), f"Host: {host}".encode()) + at.tagged)
            assert wire.answer().status == 403
    at.absent(key)


@pytest.mark.parametrize("target", ["{}?tagging", "{}?uploads", "?lifecycle", "?delete", "{}?restore"])
def test_a_control_request_carries_nothing(at: Ward, target: str) -> None:
    method = "PUT" if target in ("{}?tagging", "?lifecycle") else "POST"
    assert at.raw(target.format(at.key()), at.tagged, method=method).status == 403


def test_a_body_without_a_length(at: Ward, tmp_path: Path) -> None:
    """With requests that usually have no body; as HTTP/2 where the data path offers it."""
    (tmp_path / "body").write_bytes(at.tagged)
    key = at.key()
    url = f"https://{at.wire().host}/{key}"
    for method, query in (("PUT", ""), ("GET", ""), ("POST", "?uploads"), ("DELETE", "")):
        done = subprocess.run(
            [
                *("curl", "--silent", "--http2", "--proxy", f"http://127.0.0.1:{at.port}", "--cacert", at.bundle),
                *("--request", method, "--header", "Content-Length:", "--upload-file", "-", url + query),
                *("--write-out", "\n%{http_version} %{http_code}"),
            ],
            input=at.tagged,
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert done.stdout.split()[-1:] == [b"403"], (method, query, done)
    at.absent(key)


def test_a_completion_joins_only_what_it_names(at: Ward) -> None:
    """boto3's own multipart upload still passes; one with a part that nobody saw does not."""
    s3, key, body = at.s3(), at.key(), os.urandom(6 << 20)
    upload = s3.create_multipart_upload(Bucket=at.home, Key=key)["UploadId"]
    sent = [
        {
            "PartNumber": n,
            "ETag": s3.upload_part(Bucket=at.home, Key=key, UploadId=upload, PartNumber=n, Body=part)["ETag"],
        }
        for n, part in ((1, body), (2, body[: 4 * KIB]))
    ]
    straight = at.store.client()
    unseen = straight.upload_part(Bucket=at.home, Key=key, UploadId=upload, PartNumber=3, Body=at.tagged)
    with pytest.raises(s3.exceptions.ClientError, match="Haechi"):
        parts = [*sent, {"PartNumber": 3, "ETag": unseen["ETag"]}]
        s3.complete_multipart_upload(Bucket=at.home, Key=key, UploadId=upload, MultipartUpload={"Parts": parts})
    at.absent(key)
    s3.complete_multipart_upload(Bucket=at.home, Key=key, UploadId=upload, MultipartUpload={"Parts": sent})
    assert at.held(key) == body + body[: 4 * KIB]
