"""Many clients at once, connections that end in every way: each request is judged as its own client and target."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from tests.e2e.s3_lab import TOKYO, World, host_of, world

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def at() -> Iterator[World]:
    with world("moto") as made:
        yield made


def curl(at: World, number: int) -> None:
    host, target = host_of(at.land.own_key), f"/by-curl/{number}"
    head = at.signed("PUT", host, target)
    fields = [part for name, value in head.items() for part in ("-H", f"{name}: {value}")]
    version = "--http2" if number % 4 == 1 else "--http1.1"
    subprocess.run(
        ["curl", version, "-sS", "-x", f"http://127.0.0.1:{at.proxy}", "--cacert", str(at.bundle), *fields,
         "-T", str(at.lab.work / ("recipe.bin" if number % 3 else "recipe.bin.age")), f"https://{host}{target}"],
        capture_output=True, timeout=60, check=False,
    )  # fmt: skip


def test_no_request_is_judged_as_another_connection(at: World) -> None:
    """A connection that a closed tunnel left behind served the next one: wrong process, wrong CONNECT name."""

    def one(number: int) -> None:
        if number % 2:
            curl(at, number)
            return
        host, target = f"s3.{TOKYO}.amazonaws.com", f"/{at.land.tokyo}/by-socket/{number}"
        at.send("PUT", host, target, at.signed("PUT", host, target, region=TOKYO), at.harmless[:20_000])

    with ThreadPoolExecutor(6) as clients:
        list(clients.map(one, range(100)))
    made, ends = [], time.monotonic() + 5
    while len(made) < 100 and time.monotonic() < ends:
        made = [one for one in at.lab.settled() if "/by-" in one["request"]["target"]]
    assert len(made) == 100
    for decision in made:
        assert decision["connection"]["connect"] == f"{decision['request']['host']}:443"
        assert decision["connection"]["sni"] == decision["request"]["host"]
        actor = decision["actor"]
        # A process that forks just now to start a curl shares the socket for a moment.
        assert actor["certainty"] in ("exact", "shared"), actor
        if actor["certainty"] == "exact":
            assert (actor["pid"] == os.getpid()) is ("by-socket" in decision["request"]["target"])


def test_tunnels_that_were_closed_leave_nothing_behind(at: World) -> None:
    envoy = at.lab.processes("envoy")[0]

    def resident() -> float:
        return psutil.Process(envoy.pid).memory_info().rss / (1 << 20)

    def some(count: int) -> None:
        for _ in range(count):
            at.tunnel(host_of(at.land.own_key)).close()

    some(50)
    before = resident()
    workers = [threading.Thread(target=some, args=(100,)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert resident() - before < 20
