"""An agent that fetches its policies: from a server that gives out bundles, over restarts, and while that is away."""

from __future__ import annotations

import datetime as dt
import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from haechi.domain.issue import Issue
from haechi.outbound.engine.bundle import build, opened, sign
from haechi.outbound.engine.folder import locate, policies_of, read

from tests.e2e.s3_lab import World, host_of, world
from tests.lab import Laboratory

pytestmark = pytest.mark.e2e
SECONDS = 40.0


class BundleServer:
    """Gives out one bundle under its ETag, to whoever shows the token."""

    def __init__(self) -> None:
        self.bundle, self.away, self.unchanged = b"", False, 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                tag = f'W/"{hashlib.sha256(outer.bundle).hexdigest()}"'
                allowed = self.headers["Authorization"] == "Bearer fleet-1"
                known = self.headers["If-None-Match"] == tag
                status = 503 if outer.away else 401 if not allowed else 304 if known else 200
                outer.unchanged += status == 304
                self.send_response(status)
                self.send_header("ETag", tag)
                self.send_header("Content-Length", str(len(outer.bundle) if status == 200 else 0))
                self.end_headers()
                if status == 200:
                    self.wfile.write(outer.bundle)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/bundles/haechi.tar.gz"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def until(holds: Callable[[], bool]) -> None:
    """Wait for what has to happen within seconds."""
    ends = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < ends
        time.sleep(0.2)


def engine(at: World) -> dict[str, Any]:
    found: dict[str, Any] = at.lab.asked("status")["parts"]["engine"]
    return found


def bundle(lab: Laboratory, sequence: int, mode: str, back: int | None = None) -> bytes:
    texts = dict(read(locate()).texts)
    texts["data.yaml"] = texts["data.yaml"].replace("default: enforce", f"default: {mode}")
    issue = Issue(sequence, dt.datetime.now(dt.UTC).replace(microsecond=0), back)
    return sign(build(policies_of(locate(), tuple(texts.items())), issue), Path("x"), lab.institution.signing)


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
