"""Small requests are asked about once, with their body; what that could hide is asked about on a stream."""

from __future__ import annotations

import hashlib
import os

import pytest
from haechi.inbound.envoy.http import SMALL
from haechi.ports.judge import Forward, Refuse

from tests.e2e.datapath_lab import (
    PIECES,
    REFUSAL,
    SEOUL,
    WHOLE,
    RecordingServer,
    ScriptedJudge,
    answer,
    connected,
    laboratory,
    refuse_at,
)

pytestmark = pytest.mark.e2e
NAMES = ["*.s3.ap-northeast-2.amazonaws.com", "innocent.example.org"]


@pytest.fixture
def sink(tmp_path):
    server = RecordingServer(tmp_path, NAMES)
    yield server
    server.close()


async def asked(path, *lines: bytes, body: bytes = b"", head: bytes = b"PUT /k HTTP/1.1") -> bytes:
    """One request on a connection of its own; the reply."""
    reader, writer = await connected(path)
    announced = [b"Content-Length: %d" % len(body)] if body else []
    writer.write(b"\r\n".join([head, b"Host: " + SEOUL.encode(), *lines, *announced, b"", b""]) + body)
    reply = await answer(reader)
    writer.close()
    return reply


@pytest.mark.parametrize("verdict", [Forward(), PIECES, WHOLE], ids=["forward", "pieces", "whole"])
@pytest.mark.parametrize("size", [1, 4096, SMALL, SMALL + 1])
async def test_bodies_about_the_bound_arrive_as_they_were_sent(tmp_path, sink, verdict, size):
    judge, body = ScriptedJudge(verdict), os.urandom(size)
    async with laboratory(tmp_path, judge, sink) as path:
        assert (await asked(path, b"X-Amz-Meta-Name: \xea\xb5\xad", body=body)).startswith(b"HTTP/1.1 200")
        assert path.processor.tally.requests == 1
    (seen,) = sink.stored
    assert (seen.size, seen.body_sha) == (size, hashlib.sha256(body).hexdigest())
    assert sorted(seen.lines[1:]) == sorted(
        [b"Host: " + SEOUL.encode(), b"X-Amz-Meta-Name: \xea\xb5\xad", b"Content-Length: %d" % size]
    )
    (judging,) = judge.opened
    assert ("x-amz-meta-name", "\xea\xb5\xad") in judging.request.headers
    if verdict != Forward():
        assert judging.digest.hexdigest() == hashlib.sha256(body).hexdigest()
        assert judging.last_seen


@pytest.mark.parametrize("size", [4096, SMALL])
async def test_a_refusal_is_the_judges_own_and_nothing_leaves(tmp_path, sink, size):
    judge = ScriptedJudge(PIECES, refuse_at(size))
    async with laboratory(tmp_path, judge, sink) as path:
        reply = await asked(path, body=os.urandom(size))
    assert reply.startswith(b"HTTP/1.1 403 Forbidden\r\n") and reply.endswith(REFUSAL.body)
    assert b"x-amz-request-id: decision-1" in reply.lower()
    assert b"aiohttp" not in reply and b"x-envoy" not in reply.lower()
    assert sink.seen == []


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "OPTIONS"])
async def test_requests_without_a_body_are_judged_too(tmp_path, sink, method):
    judge = ScriptedJudge(Refuse(REFUSAL))
    async with laboratory(tmp_path, judge, sink) as path:
        reader, writer = await connected(path)
        writer.write(f"{method} /k?acl HTTP/1.1\r\nHost: {SEOUL}\r\n\r\n".encode())
        assert (await reader.readline()).startswith(b"HTTP/1.1 403")
        writer.close()
    assert sink.seen == []
    (judging,) = judge.opened
    assert (judging.request.method, judging.request.target) == (method, "/k?acl")


TWICE = {
    "copy source": [b"X-Amz-Copy-Source: ours/a", b"x-amz-copy-source: theirs/b"],
    "key": [b"x-amz-server-side-encryption-aws-kms-key-id: A", b"x-amz-server-side-encryption-aws-kms-key-id: B"],
}


@pytest.mark.parametrize("lines", TWICE.values(), ids=TWICE)
@pytest.mark.parametrize("body", [b"", b"x" * 100], ids=["empty", "body"])
async def test_a_header_that_came_twice_reaches_the_judge_as_two(tmp_path, sink, lines, body):
    judge = ScriptedJudge(PIECES)
    async with laboratory(tmp_path, judge, sink) as path:
        assert (await asked(path, *lines, *([] if body else [b"Content-Length: 0"]), body=body)).startswith(
            b"HTTP/1.1 200"
        )
    (judging,) = judge.opened
    name = lines[0].partition(b":")[0].decode().lower()
    assert len([value for key, value in judging.request.headers if key == name]) == 2
    assert judging.last_seen
    (seen,) = sink.stored
    # Envoy writes a name as it came the first time.
    kept = [lines[0], lines[0].partition(b":")[0] + b":" + lines[1].partition(b":")[2]]
    assert [line for line in seen.lines if line.lower().startswith(name.encode())] == kept
    assert not [line for line in seen.lines if line.lower().startswith(b"x-haechi")]


async def test_a_signed_request_is_asked_about_once(tmp_path, sink):
    signed = b"Authorization: AWS4-HMAC-SHA256 Credential=A/2026/s3/aws4_request, SignedHeaders=a;b, Signature=c"
    judge = ScriptedJudge(PIECES)
    async with laboratory(tmp_path, judge, sink) as path:
        assert (await asked(path, signed, b"Accept-Encoding: gzip, br", body=b"x" * 100)).startswith(b"HTTP/1.1 200")
    assert judge.opened[0].pieces == 1


async def test_what_a_client_says_in_the_agents_name_is_not_believed(tmp_path, sink):
    judge = ScriptedJudge(PIECES, refuse_at(1))
    lies = [
        b"x-haechi-connection: proxy https 10.9.9.9:9 x innocent.example.org:443 innocent.example.org .",
        b"x-envoy-auth-partial-body: false",
        b"X-Forwarded-Proto: http",
    ]
    async with laboratory(tmp_path, judge, sink) as path:
        assert (await asked(path, *lies, body=b"x" * 100)).startswith(b"HTTP/1.1 403")
        assert (await asked(path, *lies, b"x-haechi-apart: 1", body=b"x" * 100)).startswith(b"HTTP/1.1 403")
        assert (await asked(path, b"x-haechi-body: 1", body=b"x" * 100)).startswith(b"HTTP/1.1 403")
    assert sink.seen == []
    for judging in judge.opened:
        assert (judging.connection.address, judging.connection.sni) == ("127.0.0.1", SEOUL)
        assert judging.connection.connect == f"{SEOUL}:443"
        assert judging.request.scheme == "https"


async def test_a_judge_that_fails_refuses_in_the_providers_shape(tmp_path, sink):
    def broken(judging, data, last):
        raise RuntimeError("broken")

    judge = ScriptedJudge(PIECES, broken)
    async with laboratory(tmp_path, judge, sink) as path:
        reply = await asked(path, body=b"x" * 100)
        assert path.processor.tally.failed == 1
    assert reply.startswith(b"HTTP/1.1 403") and b"<Code>AccessDenied</Code>" in reply
    assert sink.seen == []
