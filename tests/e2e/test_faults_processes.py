"""Whatever process dies or hangs: clients read a final answer soon, nothing unjudged is stored, and it works again."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator

import psutil
import pytest

from tests.e2e.fault_lab import BROKEN, KIB, Ward, Wire, ward
from tests.e2e.in_time import in_time
from tests.lab.stopping import stop
from tests.stores import started_store

pytestmark = [pytest.mark.e2e, pytest.mark.alone]


@pytest.fixture(scope="module")
def at() -> Iterator[Ward]:
    with started_store() as (store, land), ward(store, land, more="[engine]\ndeadline_ms = 300\n") as made:
        yield made
        made.verified()


def part(at: Ward, name: str) -> psutil.Process:
    (found,) = [one for one in at.lab.processes(name) if one.name() != "sh"]
    return found


def restarts(at: Ward) -> int:
    return int(at.status()["parts"]["data_path"]["restarts"])


def test_a_killed_envoy_cuts_the_upload_and_is_back(at: Ward) -> None:
    key, body, before = at.key("cut"), os.urandom(256 * KIB), restarts(at)
    with at.wire() as wire:
        wire.send(wire.head("PUT", f"/{key}", [("Content-Length", str(len(body)))]) + body[:1000])
        time.sleep(0.2)
        part(at, "bin/envoy").kill()
        killed = time.monotonic()
        wire.send(body[1000:])
        assert wire.answer().status == 0
    at.working_again(since=killed)
    assert restarts(at) == before + 1
    at.absent(key)
    at.verified()


def test_a_stopped_envoy_answers_nobody_and_lets_nothing_through(at: Ward) -> None:
    """Hanging is not dying: no client gets a yes, and going on is enough."""
    envoy, key = part(at, "bin/envoy"), at.key("hung")
    stop(envoy.pid)
    try:
        with pytest.raises(BROKEN):
            Wire(at.port, at.bundle, f"{at.home}.s3.ap-northeast-2.amazonaws.com", seconds=1.5)
    finally:
        envoy.resume()
    at.working_again()
    at.absent(key)


# Not SIGSEGV: Wasmtime looks at one first, and one that somebody sent comes from no access that is tried again then.
# Of a true one the worker dies: tests/unit/engine/test_compiled.py.
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGABRT, signal.SIGSTOP])
def test_an_engine_worker_that_dies_or_hangs_refuses_and_is_replaced(at: Ward, how: signal.Signals) -> None:
    worker, keys = part(at, "engine.worker"), [at.key("engineless")]
    with at.wire() as wire:
        wire.send(wire.head("PUT", f"/{keys[0]}", [("Content-Length", str(len(at.tagged)))]))
        time.sleep(0.2)  # the head is judged, the body is not
        struck = time.monotonic()
        stop(worker.pid) if how is signal.SIGSTOP else worker.send_signal(how)
        wire.send(at.tagged)
        refusals = [wire.answer()]
    while time.monotonic() - struck < 0.25:
        keys.append(at.key("engineless"))
        refusals.append(at.raw(keys[-1], at.tagged))
    at.working_again(since=struck)
    assert not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE, "the hanging worker was left behind"
    for answer in refusals:
        event = at.refused(answer)
        codes = [cause["code"] for cause in event["decision"]["causes"]]
        assert codes or event["decision"]["findings"]
        if codes:
            assert "policy engine" in answer.body
            assert "Try again" in answer.body
    assert any(at.record(answer)["decision"]["causes"] for answer in refusals), "the fault was never felt"
    at.absent(*keys)
    at.verified()


def test_with_no_engine_what_is_known_to_be_harmless_still_goes(at: Ward) -> None:
    """Fail closed blocks what may be tagged; a body that was read whole and is clean is not."""
    key, body = at.key("harmless"), os.urandom(8 * KIB)
    part(at, "engine.worker").kill()
    answer = at.raw(key, body)
    at.working_again()
    assert answer.status == 200, answer
    assert at.held(key) == body
    (event,) = [one for one in at.lab.decisions() if (one["destination"] or {}).get("key") == key]
    assert event["decision"]["effect"] == "allow"


BOTO3 = """
import sys, time, boto3
from botocore.exceptions import BotoCoreError, ClientError
began = time.monotonic()
try:
    boto3.client("s3").put_object(Bucket=sys.argv[1], Key=sys.argv[2], Body=open(sys.argv[3], "rb").read())
except (BotoCoreError, ClientError) as error:
    print(error, "after", getattr(error, "response", {}).get("ResponseMetadata", {}).get("RetryAttempts"), "retries")
print("in", time.monotonic() - began)
"""


def test_with_the_agent_dead_the_tools_read_a_final_refusal_and_the_next_agent_takes_over(at: Ward) -> None:
    plain = at.lab.work / "plain.bin"
    plain.write_bytes(os.urandom(8 * KIB))
    proxy = {
        "HTTPS_PROXY": f"http://127.0.0.1:{at.port}",
        "AWS_CA_BUNDLE": str(at.bundle),
    }
    envoy = part(at, "bin/envoy")
    at.lab.kill()
    keys = [at.key("dead") for _ in range(3)]
    began = time.monotonic()
    cli = at.lab.run("aws", "s3", "cp", plain, f"s3://{at.home}/{keys[0]}", "--no-progress", **proxy)
    assert cli.status == 1
    assert "AccessDenied" in cli.said and "its judge did not answer" in cli.said and "haechi status" in cli.said
    boto = at.lab.run(sys.executable, "-c", BOTO3, at.home, keys[1], plain, **proxy)
    assert "AccessDenied" in boto.said and "after 0 retries" in boto.said, boto.said
    assert time.monotonic() - began < 15
    raw = at.raw(keys[2], at.tagged)
    assert raw.status == 403 and "<Code>AccessDenied</Code>" in raw.body
    at.absent(*keys)
    assert envoy.is_running(), "Envoy lingers to refuse"
    at.verified()
    in_time(at.restart(), "to start")
    assert not envoy.is_running() or envoy.status() == psutil.STATUS_ZOMBIE
    at.working_again()


def test_a_killed_agent_works_again_in_time_whenever_it_is_killed(at: Ward) -> None:
    """From the kill to a right answer to both uploads, the supervisor starting the next agent at once; each time."""
    at.held("nothing")  # making the client that looks into the store is no part of it
    for _ in range(4):
        killed = time.monotonic()
        at.lab.kill()
        at.restart()
        at.working_again(since=killed)
    at.verified()


def test_a_stopped_agent_is_a_refusal_in_time_and_goes_on(at: Ward) -> None:
    key = at.key("stopped")
    agent = psutil.Process(at.lab.pid)
    at.working_again()  # Envoy has the host's certificate: without one there is no TLS to refuse in
    stop(agent.pid)
    try:
        with at.wire() as wire:
            wire.tls.settimeout(40)
            began = time.monotonic()
            wire.send(wire.head("PUT", f"/{key}", [("Content-Length", str(len(at.tagged)))]) + at.tagged)
            answer = wire.answer()
            took = time.monotonic() - began
    finally:
        agent.resume()
    assert answer.status == 403 and "its judge did not answer" in answer.body, answer
    assert took < 25, took
    at.working_again()
    at.absent(key)
