"""Certificates that end: leaves while clients work, the authority while the agent runs and while it is away."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from haechi.domain.scope import Scope, ScopeMode
from haechi.inbound.envoy.authority import Authority, Lifetimes

from tests.e2e.fault_lab import KIB, Wire, ward
from tests.e2e.in_time import in_time
from tests.lab import Laboratory
from tests.stores import Landscape, MotoStore, started_store

pytestmark = [pytest.mark.e2e, pytest.mark.alone]
SHORT = """
import sys
if "--foreground" in sys.orig_argv:
    import datetime as dt
    from haechi.inbound.envoy.authority import Lifetimes
    Lifetimes.__init__.__defaults__ = (dt.timedelta(seconds=20), dt.timedelta(seconds=6))
"""
"""Runs before the agent does: its certificates live for seconds."""


@pytest.fixture(scope="module")
def shop() -> Iterator[tuple[MotoStore, Landscape]]:
    with started_store() as made:
        yield made


def serial(wire: Wire) -> str:
    return str(wire.tls.getpeercert()["serialNumber"])  # type: ignore[index]


def test_leaves_and_the_authority_are_renewed_before_they_end(
    shop: tuple[MotoStore, Landscape], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text(SHORT)
    inherited = Laboratory.environment

    def with_short_lives(self: Laboratory, *args: object, **more: str) -> dict[str, str]:
        given = inherited(self, *args, **more)  # type: ignore[arg-type]
        return {**given, "PYTHONPATH": os.pathsep.join([str(tmp_path), given["PYTHONPATH"]])}

    monkeypatch.setattr(Laboratory, "environment", with_short_lives)
    with ward(*shop) as at:
        began, down_since = time.monotonic(), None
        seen: set[str] = set()
        roots: set[int] = set()
        kept = at.wire()
        served: dict[str, float] = {}
        while time.monotonic() - began < 26:
            key, content = at.key("renewed"), os.urandom(4 * KIB)
            roots.add(hash(at.bundle.read_bytes()))
            try:
                with at.wire() as wire:
                    seen.add(serial(wire))
                    wire.send(wire.head("PUT", f"/{key}", [("Content-Length", str(len(content)))]) + content)
                    assert wire.answer().status == 200
                assert at.held(key) == content
                down_since = None
            except ssl.SSLCertVerificationError:  # the client's words: it never falls back to no check
                at.absent(key)
                down_since = down_since or time.monotonic()
                in_time(time.monotonic() - down_since, "clients to learn of the new root")
            with contextlib.suppress(ssl.SSLCertVerificationError), at.wire(at.land.logs) as other:
                served[at.land.logs] = time.monotonic()
                other.close()
            time.sleep(0.4)
        in_time(time.monotonic() - served[at.land.logs], "another host to let go of what the old root signed")
        key = at.key("kept")
        kept.send(kept.head("PUT", f"/{key}", [("Content-Length", str(len(at.tagged)))]) + at.tagged)
        at.refused(kept.answer(), rule="r13_layer1")
        kept.close()
        at.absent(key)
        assert len(seen) >= 3, "leaves live six seconds"
        assert len(roots) >= 2, "the authority lives twenty seconds"
        at.working_again()
        at.verified()


def test_an_authority_that_ended_while_the_agent_was_away_is_made_anew(shop: tuple[MotoStore, Landscape]) -> None:
    with ward(*shop) as at:
        before = at.bundle.read_bytes()
        at.lab.stop()
        folder = at.lab.folder / "state" / "keys" / "authority"
        expired = dt.datetime.now(dt.UTC) - dt.timedelta(days=30)
        Authority.create(
            folder,
            Scope.of(ScopeMode.CLOUD, ["*.amazonaws.com"], ()),
            lifetimes=Lifetimes(dt.timedelta(days=10), dt.timedelta(days=7)),
            now=lambda: expired,
        )
        in_time(at.restart(), "to start")
        assert at.bundle.read_bytes() != before
        at.working_again()
        at.verified()


def test_a_client_that_trusts_another_root_is_told_and_nothing_arrives(
    shop: tuple[MotoStore, Landscape], tmp_path: Path
) -> None:
    with ward(*shop) as at:
        key = at.key("untrusting")
        with pytest.raises(ssl.SSLCertVerificationError, match=r"self-signed|unable to get"):
            Wire(at.port, at.store.ca, f"{at.home}.s3.ap-northeast-2.amazonaws.com")
        at.absent(key)
        at.working_again()
