"""An agent that fetches its policies: from a server that gives out bundles, over restarts, and while that is away."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from haechi.outbound.engine.bundle import opened

from tests.e2e.s3_lab import World, host_of, world
from tests.lab import Laboratory
from tests.lab.giving import Giving
from tests.lab.issues import signed_issue

pytestmark = pytest.mark.e2e
SECONDS = 40.0


def until(holds: Callable[[], bool]) -> None:
    """Wait for what has to happen within seconds."""
    ends = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < ends
        time.sleep(0.2)


def engine(at: World) -> dict[str, Any]:
    found: dict[str, Any] = at.lab.status()["parts"]["engine"]
    return found


def bundle(lab: Laboratory, sequence: int, mode: str, back: int | None = None) -> bytes:
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    return signed_issue(lab.institution.signing, sequence, mode, back, now)


class BundleServer(Giving):
    """Gives out one bundle, under a weak tag, to whoever shows the token."""

    def __init__(self) -> None:
        self.bundle = b""
        super().__init__(lambda _: self.bundle, "fleet-1", 'W/"{}"'.format)
        self.url = f"{self.root}/bundles/haechi.tar.gz"


@pytest.fixture
def server() -> Iterator[BundleServer]:
    made = BundleServer()
    yield made
    made.stop()


@pytest.fixture
def at(server: BundleServer, tmp_path: Path) -> Iterator[World]:
    token = tmp_path / "token"
    token.write_text("fleet-1\n", encoding="ascii")
    token.chmod(0o600)

    def first(lab: Laboratory) -> None:
        server.bundle = bundle(lab, 7, "enforce")

    more = "[fetch]\ninterval = 5\n"
    source = f'source = "{server.url}"\ntoken_file = "{token}"\n'
    with world("moto", more=more, before=first, policy=source) as made:
        yield made


def test_an_agent_follows_the_bundles_of_its_server(at: World, server: BundleServer) -> None:
    assert (engine(at)["issue"]["sequence"], engine(at)["mode"]) == (7, "enforce")
    host = host_of(at.land.foreign)

    def put(key: str) -> Any:
        return at.send("PUT", host, f"/{key}", at.signed("PUT", host, f"/{key}"), at.tagged)

    assert put("first").refused
    until(lambda: server.unchanged > 0)
    server.bundle = bundle(at.lab, 8, "monitor")
    until(lambda: engine(at)["issue"]["sequence"] == 8)
    assert at.accepted(put("second"))
    assert at.decided("second")["policy"] == opened(server.bundle, Path("x")).revision
    server.bundle = bundle(at.lab, 6, "enforce")
    until(lambda: engine(at)["problem"] == "policy.sequence-lower")
    assert "8" in at.lab.haechi("status", COLUMNS="500").out
    # Neither a server that is away nor a restart ends or loosens anything.
    server.away = True
    at.lab.stop()
    at.lab.start()
    kept = engine(at)
    assert (kept["issue"]["sequence"], kept["in_force"], kept["mode"]) == (8, "kept", "monitor")
    assert kept["issue"]["confirmed_at"]
    server.away, server.bundle = False, bundle(at.lab, 6, "enforce", back=8)
    until(lambda: engine(at)["issue"]["sequence"] == 6)
    assert (engine(at)["mode"], engine(at)["problem"]) == ("enforce", None)
    assert at.lab.haechi("audit", "verify").status == 0
