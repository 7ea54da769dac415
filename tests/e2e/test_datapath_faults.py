"""Whatever dies, nothing unjudged passes, clients read a final answer, and the data path comes back."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.e2e.datapath_lab import (
    PIECES,
    SEOUL,
    RecordingServer,
    ScriptedJudge,
    answer,
    connected,
    laboratory,
    run,
)
from tests.e2e.in_time import GIVE_UP_S, in_time

pytestmark = [pytest.mark.e2e, pytest.mark.alone]
NAMES = ["*.s3.ap-northeast-2.amazonaws.com"]
PUT = f"PUT /k HTTP/1.1\r\nHost: {SEOUL}\r\nContent-Length: 5\r\n\r\nhello".encode()


@pytest.fixture
def sink(tmp_path):
    server = RecordingServer(tmp_path, NAMES)
    yield server
    server.close()


async def put_once(path) -> bytes:
    reader, writer = await connected(path)
    try:
        writer.write(PUT)
        return await answer(reader)
    finally:
        writer.close()


async def test_killed_envoy_is_back_within_five_seconds(tmp_path, sink):
    async with laboratory(tmp_path, ScriptedJudge(), sink) as path:
        assert b" 200 " in await put_once(path)
        os.kill(path.envoy_pid, signal.SIGKILL)
        began = time.monotonic()
        while True:
            try:
                assert b" 200 " in await put_once(path)
                break
            except (OSError, asyncio.IncompleteReadError):
                assert time.monotonic() - began < GIVE_UP_S
                await asyncio.sleep(0.05)
        in_time(time.monotonic() - began, "a killed Envoy")
        assert path.restarts == 1
        assert path.healthy


def failing(judging, data, last):
    raise RuntimeError("the judge broke")


async def test_a_judge_that_breaks_in_mid_body_refuses(tmp_path, sink):
    async with laboratory(tmp_path, ScriptedJudge(PIECES, failing), sink) as path:
        reply = await put_once(path)
    assert b" 403 " in reply and b"AccessDenied" in reply
    assert sink.stored == []


async def test_a_judge_that_is_stuck_refuses_after_its_time(tmp_path, sink):
    judge = ScriptedJudge()

    class Stuck(ScriptedJudge):
        def open(self, connection, request):
            judging = judge.open(connection, request)
            judging.head = lambda: asyncio.sleep(60)
            return judging

    async with laboratory(tmp_path, Stuck(), sink, judge_timeout_s=1.0) as path:
        reply = await put_once(path)
    assert b" 403 " in reply and b"AccessDenied" in reply and b"application/xml" in reply
    assert sink.seen == []


AGENT = """
import asyncio, sys
from pathlib import Path
from types import SimpleNamespace
sys.path.insert(0, sys.argv[1])
from tests.e2e.datapath_lab import ScriptedJudge, laboratory
async def main():
    folder = Path(sys.argv[2])
    sink = SimpleNamespace(port=int(sys.argv[3]), ca=folder / "sink-ca.pem")
    async with laboratory(folder, ScriptedJudge(), sink, linger_s=float(sys.argv[4])) as path:
        print("port", path.proxy_port, path.envoy_pid, flush=True)
        await asyncio.sleep(60)
asyncio.run(main())
"""
BOTO3 = """
import sys, time, boto3
from botocore.exceptions import ClientError
began = time.monotonic()
try:
    boto3.client("s3", region_name="ap-northeast-2").put_object(Bucket="bucket", Key="k", Body=b"hello")
except ClientError as error:
    print(error, error.response["ResponseMetadata"].get("RetryAttempts"), time.monotonic() - began < 10)
"""


async def agent_process(tmp_path, sink, linger: float):
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        AGENT,
        str(Path(__file__).parents[2]),
        str(tmp_path),
        str(sink.port),
        str(linger),
        stdout=-1,
    )
    while True:
        words = (await asyncio.wait_for(process.stdout.readline(), 20)).split()
        if words[:1] == [b"port"]:
            return process, int(words[1]), int(words[2])


def tools(tmp_path, port: int) -> dict[str, str]:
    return {
        "PATH": os.path.dirname(sys.executable) + ":/usr/bin:/bin",
        "HTTPS_PROXY": f"http://127.0.0.1:{port}",
        "AWS_CA_BUNDLE": str(tmp_path / "run" / "bundle.pem"),
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "example",
        "AWS_DEFAULT_REGION": "ap-northeast-2",
        "AWS_EC2_METADATA_DISABLED": "true",
        "HOME": str(tmp_path),
    }


async def test_with_the_agent_dead_tools_read_a_final_refusal(tmp_path, sink):
    process, port, envoy = await agent_process(tmp_path, sink, 20)
    try:
        environment = tools(tmp_path, port)
        source = tmp_path / "source"
        source.write_bytes(b"hello")
        aws = [os.path.join(os.path.dirname(sys.executable), "aws"), "s3", "cp", str(source), "s3://bucket/k"]
        assert (await run(*aws, env=environment))[0] == 0
        stored = len(sink.stored)
        process.kill()
        await process.wait()
        began = time.monotonic()
        status, out = await run(*aws, env=environment)
        assert status != 0
        assert "AccessDenied" in out and "judge did not answer" in out
        assert time.monotonic() - began < 15
        _, out = await run(sys.executable, "-c", BOTO3, env=environment)
        assert "AccessDenied" in out and out.strip().endswith("0 True")
        assert len(sink.stored) == stored
    finally:
        psutil.Process(envoy).kill()


async def test_envoy_does_not_outlive_its_agent_for_long(tmp_path, sink):
    process, _, envoy = await agent_process(tmp_path, sink, 1)
    left = psutil.Process(envoy)
    process.kill()
    await process.wait()
    await asyncio.to_thread(left.wait, 10)


async def test_the_next_agent_ends_an_envoy_left_behind(tmp_path, sink):
    process, _, envoy = await agent_process(tmp_path, sink, 60)
    left = psutil.Process(envoy)
    process.kill()
    await process.wait()
    async with laboratory(tmp_path, ScriptedJudge(), sink) as path:
        assert not left.is_running() or left.status() == psutil.STATUS_ZOMBIE
        assert b" 200 " in await put_once(path)


async def test_a_leaf_is_renewed_on_a_running_envoy(tmp_path, sink):
    import datetime as dt

    from haechi.inbound.envoy.authority import Authority, Lifetimes

    from tests.e2e.datapath_lab import SCOPE

    lifetimes = Lifetimes(dt.timedelta(days=1), dt.timedelta(seconds=4))
    authority = Authority.create(tmp_path / "authority", SCOPE, lifetimes=lifetimes)
    async with laboratory(tmp_path, ScriptedJudge(), sink, authority=authority) as path:
        serials = set()
        for pause in (0, 3.2, 3.2):
            await asyncio.sleep(pause)
            reader, writer = await connected(path)
            serials.add(writer.get_extra_info("ssl_object").getpeercert()["serialNumber"])
            writer.write(PUT)
            assert b" 200 " in await answer(reader)
            writer.close()
    assert len(serials) >= 2, "the certificate of three seconds ago would have expired"


async def test_the_judge_is_asked_even_for_a_bodiless_inspection(tmp_path, sink):
    judge = ScriptedJudge(PIECES)
    async with laboratory(tmp_path, judge, sink) as path:
        reader, writer = await connected(path)
        writer.write(f"PUT /k HTTP/1.1\r\nHost: {SEOUL}\r\nContent-Length: 0\r\n\r\n".encode())
        assert b" 200 " in await answer(reader)
        writer.close()
    assert judge.opened[0].last_seen
