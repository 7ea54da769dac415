"""A running agent and a tunnel whose names disagree: closed, and on record with who opened it."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.e2e.tools_lab import Bench, bench, found

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def there() -> Iterator[Bench]:
    with bench() as made:
        yield made


def opened(at: Bench, connect: str, name: str) -> int:
    proxy = at.lab.status()["parts"]["data_path"]
    line = [found("openssl"), "s_client", "-proxy", f"{proxy['proxy_host']}:{proxy['proxy_port']}"]
    return at.lab.through(*line, "-connect", connect, "-servername", name, "-brief").status


def test_a_lying_tunnel_is_closed_and_recorded_with_its_process(there: Bench) -> None:
    assert opened(there, "innocent.example.org:443", "other.example.org") != 0
    event = there.lab.decisions()[-1]
    assert event["decision"]["effect"] == "block"
    assert event["action"]["operation"] == "CONNECT"
    names = {"way": "proxy", "connect": "innocent.example.org:443", "sni": "other.example.org"}
    assert event["connection"] == names
    assert event["actor"]["executable"] == found("openssl")
    assert "CONNECT" in there.lab.haechi("audit", "tail").out
    explained = there.lab.haechi("explain", event["id"])
    assert "disagree" in explained.out, explained.said


def test_status_tells_of_tunnels(there: Bench) -> None:
    opened(there, "innocent.example.org:443", "another.example.org")
    assert there.lab.status()["parts"]["data_path"]["tunnels"]["refused"] >= 1
    assert "refused for names in doubt" in there.lab.haechi("status").out


def test_an_honest_tunnel_is_counted(there: Bench) -> None:
    """Its far end does not exist here; what counts is that its names agree."""
    opened(there, "honest.invalid:443", "honest.invalid")
    until = time.monotonic() + 20
    while not (counted := there.lab.status()["parts"]["data_path"]["tunnels"]["passed"]):
        assert time.monotonic() < until, "Envoy's counter was not read"
        time.sleep(0.3)
    assert counted == 1
