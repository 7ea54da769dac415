"""Guards over forks, in processes of their own, and without an agent."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from haechi_connectors import guard

from tests.e2e.guard_lab import Guarded, guarded, plain

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def lab() -> Iterator[Guarded]:
    with guarded() as made:
        yield made


def outcome(client: Any, bucket: str, key: str, body: bytes) -> str:
    try:
        client.put_object(Bucket=bucket, Key=key, Body=body)
    except ClientError as error:
        return str(error.response["Error"]["Message"])
    return "stored"


def spawned(way: str, ca: str, socket: str, bucket: str, bodies: dict[str, bytes], told: Any) -> None:
    """In a process of its own, which begins with nothing."""
    client = guard(plain(way, ca), agent=socket)
    told.put([outcome(client, bucket, key, body) for key, body in bodies.items()])


def test_workers_that_were_forked_ask_over_connections_of_their_own(lab: Guarded) -> None:
    at, client = lab.at, lab.client()
    assert outcome(client, at.land.own_key, "parent", b"before") == "stored"
    context = multiprocessing.get_context("fork")
    told = context.Queue()

    def work(number: int) -> None:
        # The guard's connections are what is inherited here; botocore's own, to the store, are not to be shared either.
        client = lab.client()
        for turn in range(5):
            told.put((number, outcome(client, at.land.own_key, f"fork-{number}-{turn}", os.urandom(500))))
        told.put((number, outcome(client, at.land.own_key, f"fork-{number}-tagged", at.tagged)))

    workers = [context.Process(target=work, args=(number,)) for number in range(3)]
    for worker in workers:
        worker.start()
    for turn in range(5):
        assert outcome(client, at.land.own_key, f"parent-{turn}", os.urandom(500)) == "stored"
    answers = [told.get(timeout=60) for _ in range(18)]
    for worker in workers:
        worker.join(30)
    assert sum(answer == "stored" for _, answer in answers) == 15
    assert sum("Haechi refused" in answer for _, answer in answers) == 3
    pids = {at.decided(f"fork-{number}-tagged")["actor"]["pid"] for number in range(3)}
    assert pids == {worker.pid for worker in workers}


def test_workers_that_were_spawned_put_on_a_guard_of_their_own(lab: Guarded) -> None:
    at = lab.at
    context = multiprocessing.get_context("spawn")
    told = context.Queue()
    bodies = {"spawn-clean": b"clean", "spawn-tagged": at.tagged}
    arguments = (lab.way, str(at.store.ca), str(at.lab.socket), at.land.own_key, bodies, told)
    worker = context.Process(target=spawned, args=arguments)
    worker.start()
    clean, tagged = told.get(timeout=60)
    worker.join(30)
    assert clean == "stored"
    assert "Haechi refused" in tagged


def test_an_agent_that_dies_and_comes_back(lab: Guarded) -> None:
    at, client = lab.at, lab.client()
    assert outcome(client, at.land.own_key, "before", b"one") == "stored"
    at.lab.kill()
    for key, body in (("killed", b"small"), ("killed", os.urandom(3 << 20))):
        message = outcome(client, at.land.own_key, key, body)
        assert "haechi agent start" in message
    assert at.store.digest(at.land.own_key, "killed") is None
    assert client.get_object(Bucket=at.land.own_key, Key="before")["Body"].read() == b"one"
    at.lab.start()
    assert outcome(client, at.land.own_key, "again", b"two") == "stored"


def test_a_guard_is_light(lab: Guarded) -> None:
    """Neither the agent nor an SDK comes with it into a person's program."""
    heavy = ("aiohttp", "asyncio", "boto3", "botocore", "cryptography", "grpc", "msgspec", "structlog", "yaml")
    script = (
        "import sys\nfrom haechi_connectors import guard\nimport haechi_connectors.guarding as g\ng.guards()\n"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"
