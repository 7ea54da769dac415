"""Certificates as Envoy is handed them when the authority is renewed, and what a full disk does to that."""

from __future__ import annotations

import asyncio
import datetime as dt
import errno

import pytest
import structlog
from cryptography import x509
from envoy.extensions.transport_sockets.tls.v3 import secret_pb2
from envoy.service.discovery.v3 import discovery_pb2
from haechi.domain.errors import HaechiError
from haechi.domain.scope import Scope, ScopeMode
from haechi.inbound.envoy.authority import Authority
from haechi.inbound.envoy.secrets import LeafSecrets
from structlog.testing import capture_logs

SCOPE = Scope(ScopeMode.CLOUD, ("*.amazonaws.com",))
HOST = "b.s3.amazonaws.com"


class Publisher:
    """Hands out roots, or fails as a full disk does."""

    def __init__(self) -> None:
        self.full = False
        self.published = 0

    def __call__(self) -> None:
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.published += 1


@pytest.fixture
def renewed() -> tuple[Authority, LeafSecrets, Publisher]:
    """An authority that was renewed since its secrets were handed out."""
    time = [dt.datetime.now(dt.UTC)]
    publish = Publisher()
    authority = Authority.create(None, SCOPE, now=lambda: time[0])
    secrets = LeafSecrets(authority, max_names=9, log=structlog.get_logger(), publish=publish)
    time[0] += dt.timedelta(days=725)
    return authority, secrets, publish


def test_a_renewed_root_is_published_before_anybody_is_shown_what_it_signed(
    renewed: tuple[Authority, LeafSecrets, Publisher],
) -> None:
    _, secrets, publish = renewed
    assert secrets._leaf(HOST, {}) is not None
    assert publish.published == 1


def test_a_root_that_cannot_be_published_is_published_later_and_nothing_is_shown_until_then(
    renewed: tuple[Authority, LeafSecrets, Publisher],
) -> None:
    _, secrets, publish = renewed
    publish.full = True
    with capture_logs() as said:
        for _ in range(2):
            assert secrets._leaf(HOST, {}) is None
    assert [line["event"] for line in said] == ["datapath.roots-unpublished"]
    publish.full = False
    assert secrets._leaf(HOST, {}) is not None
    assert publish.published == 1


def test_an_authority_that_cannot_be_renewed_is_told(
    renewed: tuple[Authority, LeafSecrets, Publisher], monkeypatch: pytest.MonkeyPatch
) -> None:
    authority, secrets, _ = renewed

    def unwritable(*_: object) -> None:
        raise HaechiError("datapath.authority-unwritable", folder="/f", reason="full")

    monkeypatch.setattr(authority, "_establish", unwritable)
    with capture_logs() as said:
        assert secrets._leaf(HOST, {}) is not None
    assert [(line["event"], line["cause"]) for line in said] == [
        ("datapath.authority-not-renewed", "datapath.authority-unwritable")
    ]


class Asking:
    """A stream on which one name is asked for, and nothing more is said."""

    def __init__(self) -> None:
        self._asked = False

    async def read(self) -> discovery_pb2.DeltaDiscoveryRequest:
        if self._asked:
            await asyncio.Event().wait()
        self._asked = True
        return discovery_pb2.DeltaDiscoveryRequest(resource_names_subscribe=[HOST])


async def test_a_leaf_that_ended_while_the_machine_slept_is_replaced_within_5_s() -> None:
    """Timers do not see it: they stood still, or the clock was set."""
    time = [dt.datetime.now(dt.UTC)]
    authority = Authority.create(None, SCOPE, now=lambda: time[0])
    secrets = LeafSecrets(authority, max_names=9, log=structlog.get_logger(), now=lambda: time[0])
    answers = secrets._delta(None, Asking())
    first = await anext(answers)
    following = asyncio.ensure_future(anext(answers))
    await asyncio.sleep(0)  # it waits with the pause of a leaf that is fresh
    time[0] += dt.timedelta(days=30)
    second = await asyncio.wait_for(following, 5)
    secret = [secret_pb2.Secret.FromString(said.resources[0].resource.value) for said in (first, second)]
    ends = [
        x509.load_pem_x509_certificate(one.tls_certificate.certificate_chain.inline_bytes).not_valid_after_utc
        for one in secret
    ]
    assert ends[0] < time[0] < ends[1]
    await answers.aclose()
