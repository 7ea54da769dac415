"""The agent with an OPA server as its engine: it refuses and allows for real, and outlives the server."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from haechi.outbound.trust import SigningKey

from tests.e2e.fault_lab import KIB, Ward, ward
from tests.lab.issues import served, signed_issue
from tests.policy import opa
from tests.stores import started_store

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """How OPA is given the policies that ship, and verifies them."""
    key = SigningKey.generate()
    return served(tmp_path_factory.mktemp("bundle"), signed_issue(key, 7), key)


@pytest.fixture(scope="module")
def port() -> int:
    return opa.free_port()


@pytest.fixture(scope="module")
def at(port: int, bundle: tuple[str, ...]) -> Iterator[Ward]:
    more = f'[engine]\nkind = "opa"\nopa_url = "http://127.0.0.1:{port}"\ndeadline_ms = 2000\n'
    with (
        started_store() as (store, land),
        opa.server(*bundle, port=port),
        ward(store, land, more=more) as made,
    ):
        yield made
        made.verified()


def test_it_refuses_and_allows_as_the_server_says(at: Ward) -> None:
    assert not at.lab.processes("engine.worker")
    said = at.status()["parts"]["engine"]
    assert (said["state"], said["engine"]["kind"]) == ("ok", "opa")
    body, key, other = os.urandom(8 * KIB), at.key("plain"), at.key("tagged")
    assert at.raw(key, body).status == 200
    assert at.held(key) == body
    event = at.refused(at.raw(other, at.tagged))
    assert "r13_layer1" in {finding["rule"] for finding in event["decision"]["findings"]}
    at.absent(other)
    assert "OPA" in at.lab.haechi("status").said


def test_policy_check_asks_the_server(at: Ward) -> None:
    assert at.lab.asked("policy", "check", "--opa")["opa"]["kind"] == "opa"


def test_a_killed_server_is_a_cause_and_it_works_again_when_it_is_back(
    at: Ward, port: int, bundle: tuple[str, ...]
) -> None:
    killed, key = opa.process(port), at.key("serverless")
    killed.kill()
    killed.wait(10)
    answer = at.raw(key, at.tagged)
    event = at.refused(answer)
    assert [cause["code"] for cause in event["decision"]["causes"]] == ["engine-crashed"]
    at.absent(key)
    with opa.server(*bundle, port=port):
        at.working_again()
        assert at.raw(at.key("again"), os.urandom(KIB)).status == 200
        assert not at.record(at.raw(key, at.tagged))["decision"]["causes"]
        at.absent(key)
