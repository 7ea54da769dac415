"""What leaves is what came in: bodies, framing, header lines; and a refused body makes no object."""

from __future__ import annotations

import asyncio
import hashlib
import os

import psutil
import pytest
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
    run,
)

pytestmark = pytest.mark.e2e
NAMES = ["*.s3.ap-northeast-2.amazonaws.com", "*.s3.ap-northeast-1.amazonaws.com", "innocent.example.org"]
BODY = os.urandom(3_000_001)
PUT = f"PUT /k HTTP/1.1\r\nHost: {SEOUL}\r\n".encode()
SHA = hashlib.sha256(BODY).hexdigest()


@pytest.fixture
def sink(tmp_path):
    server = RecordingServer(tmp_path, NAMES)
    yield server
    server.close()


HEADS = {"forward": Forward(), "pieces": PIECES, "whole": WHOLE}


@pytest.mark.parametrize("mode", HEADS)
async def test_head_and_body_arrive_as_they_were_sent(tmp_path, sink, mode):
    judge = ScriptedJudge(HEADS[mode])
    lines = [
        b"PUT /a//b%2Fc/../k%7e?x=%7E&partNumber=1 HTTP/1.1",
        b"Host: " + SEOUL.encode(),
        b"X-Amz-Meta-Name: \xea\xb5\xad\xea\xb0\x80",
        b"x-AMZ-date: 20260101T000000Z",
        b"User-Agent: lab",
        b"X-Forwarded-For: 10.0.0.1",
        b"X-Twice: 1",
        b"X-Twice: 2",
        b"Content-Length: %d" % len(BODY),
    ]
    async with laboratory(tmp_path, judge, sink) as path:
        reader, writer = await connected(path)
        writer.write(b"\r\n".join(lines) + b"\r\n\r\n" + BODY)
        reply = await answer(reader)
        writer.close()
    assert reply.startswith(b"HTTP/1.1 200 OK")
    assert b"ETag:" in reply and b"server" not in reply.lower() and b"x-envoy" not in reply.lower()
    (seen,) = sink.stored
    assert seen.lines[0] == lines[0]
    assert sorted(seen.lines[1:]) == sorted(lines[1:])
    assert [line for line in seen.lines if line.startswith(b"X-Twice")] == lines[6:8]
    assert (seen.size, seen.body_sha) == (len(BODY), SHA)
    (judging,) = judge.opened
    assert judging.request.target == "/a//b%2Fc/../k%7e?x=%7E&partNumber=1"
    if mode != "forward":
        assert judging.digest.hexdigest() == SHA
        assert judging.last_seen
        assert judging.causes == []


@pytest.mark.parametrize("mode", HEADS)
async def test_chunked_body_with_trailers_keeps_its_framing(tmp_path, sink, mode):
    judge = ScriptedJudge(HEADS[mode])
    async with laboratory(tmp_path, judge, sink) as path:
        reader, writer = await connected(path)
        writer.write(
            PUT + b"Transfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n"
            b"%x\r\n" % len(BODY) + BODY + b"\r\n0\r\nx-sum: abc\r\n\r\n"
        )
        assert b" 200 " in await answer(reader)
        writer.close()
    (seen,) = sink.stored
    assert seen.body_sha == SHA
    assert b"trailer x-sum: abc" in seen.lines
    assert seen.header("content-length") is None
    if mode != "forward":
        assert judge.opened[0].last_seen


@pytest.mark.parametrize("mode", HEADS)
@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
async def test_curl_uploads_whatever_the_version(tmp_path, sink, mode, version):
    source = tmp_path / "source"
    source.write_bytes(BODY)
    async with laboratory(tmp_path, ScriptedJudge(HEADS[mode]), sink) as path:
        proxy = f"http://127.0.0.1:{path.proxy_port}"
        base = ["curl", "-sS", version, "--cacert", str(path.bundle), "-x", proxy, "-o", "/dev/null"]
        out = await run(*base, "-w", "%{http_code}", "-T", str(source), f"https://{SEOUL}/k")
        expecting = ["-H", "Expect: 100-continue"] if version == "--http1.1" else []
        again = await run(*base, "-w", "%{http_code}", *expecting, "-T", str(source), f"https://{SEOUL}/k2")
    assert out == (0, "200")
    assert again == (0, "200")
    assert [(one.body_sha, one.header("content-length")) for one in sink.stored] == [(SHA, str(len(BODY)))] * 2


@pytest.mark.parametrize("at", [1, 1_500_000, len(BODY)])
@pytest.mark.parametrize("mode", ["pieces", "whole"])
async def test_refused_body_makes_no_object_and_the_client_reads_why(tmp_path, sink, mode, at):
    judge = ScriptedJudge(HEADS[mode], refuse_at(at))
    source = tmp_path / "source"
    source.write_bytes(BODY)
    async with laboratory(tmp_path, judge, sink) as path:
        _, out = await run(
            "curl", "-sS", "--http1.1", "--cacert", str(path.bundle), "-x", f"http://127.0.0.1:{path.proxy_port}",
            "-w", "%{http_code}", "-T", str(source), f"https://{SEOUL}/k",
        )  # fmt: skip
    assert sink.stored == []
    assert "R10 forbids it" in out
    assert out.endswith("403")
    if mode == "whole":
        assert sink.seen == [], "head and body are kept back"


async def test_refused_head_reaches_nobody(tmp_path, sink):
    async with laboratory(tmp_path, ScriptedJudge(Refuse(REFUSAL)), sink) as path:
        reader, writer = await connected(path)
        writer.write(PUT + b"Content-Length: 5\r\n\r\nhello")
        reply = await answer(reader)
        writer.close()
    assert b" 403 " in reply and reply.endswith(REFUSAL.body) and b"x-amz-request-id: decision-1" in reply.lower()
    assert sink.seen == []


async def test_body_cut_short_by_the_client_is_abandoned(tmp_path, sink):
    judge = ScriptedJudge(PIECES)
    async with laboratory(tmp_path, judge, sink) as path:
        _, writer = await connected(path)
        writer.write(PUT + b"Content-Length: 500000\r\n\r\n" + BODY[:90000])
        await writer.drain()
        async with asyncio.timeout(20):
            while not (judge.opened and judge.opened[0].pieces):
                await asyncio.sleep(0.01)
            writer.transport.abort()
            while not judge.opened[0].causes:
                await asyncio.sleep(0.01)
    assert judge.opened[0].causes in (["stream-reset"], ["client-closed"])
    assert sink.stored == []


async def test_a_held_body_beyond_the_bound_is_refused(tmp_path, sink):
    judge = ScriptedJudge(WHOLE)
    async with laboratory(tmp_path, judge, sink, spool_bytes=1 << 20) as path:
        reader, writer = await connected(path)
        writer.write(PUT + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY)
        assert b" 403 " in await answer(reader)
        writer.close()
        assert path.processor.spool_left == 1 << 20
    assert judge.opened[0].causes == ["overflow"]
    assert sink.seen == []


@pytest.mark.parametrize("token", [b"x", b"pieces-x", b"whole-x", b""])
async def test_a_clients_own_token_gains_nothing(tmp_path, sink, token):
    judge = ScriptedJudge(Forward())
    async with laboratory(tmp_path, judge, sink) as path:
        reader, writer = await connected(path)
        writer.write(PUT + b"x-haechi-body: " + token + b"\r\nContent-Length: 2\r\n\r\nhi")
        assert b" 403 " in await answer(reader)
        writer.close()
    assert sink.seen == []


@pytest.mark.parametrize("mode", ["pieces", "whole"])
async def test_a_slow_upstream_does_not_fill_memory(tmp_path, mode):
    slow = RecordingServer(tmp_path, NAMES, keep=False, slow=0.02)
    source = tmp_path / "source"
    with source.open("wb") as out:
        out.truncate(300 << 20)
    async with laboratory(tmp_path, ScriptedJudge(HEADS[mode]), slow) as path:
        envoy = psutil.Process(path.envoy_pid)
        before = envoy.memory_info().rss
        client = await asyncio.create_subprocess_exec(
            "curl", "-sS", "--http1.1", "-H", "Expect:", "--cacert", str(path.bundle),
            "-x", f"http://127.0.0.1:{path.proxy_port}", "-T", str(source), f"https://{SEOUL}/k",
        )  # fmt: skip
        async with asyncio.timeout(30):
            while not (slow.seen and slow.seen[0].size > 2 << 20):
                await asyncio.sleep(0.1)
        await asyncio.sleep(2)
        grown = envoy.memory_info().rss - before
        assert client.returncode is None, "the upstream was to be slower than this"
        client.kill()
        await client.wait()
    assert grown < 60 << 20
    slow.close()
