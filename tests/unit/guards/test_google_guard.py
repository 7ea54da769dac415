"""The guard on Google's session, with a store that fails now and then and an agent that notes what it is asked."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pytest
from google.api_core.exceptions import Forbidden
from google.cloud import storage
from google.oauth2.credentials import Credentials
from haechi.domain.upload import Request
from haechi.ports.connector import RefusalText
from haechi.ports.judge import Reply
from haechi_connectors.gcs.guard import GUARD
from haechi_connectors.gcs.refusal import reply

from tests.unit.guards.noted import Agent, Store
from tests.unit.guards.noted import store as running

WAY = "http://proxy.example:3128"


def refused(request: Request) -> Reply:
    return reply(RefusalText("AccessDenied", "왜: R13 <&>", "hd-1"), request, virtual=False)


@pytest.fixture
def store() -> Iterator[Store]:
    with running() as made:
        yield made


@pytest.fixture
def agent() -> Agent:
    return Agent()


def client(store: Store, agent: Agent) -> Any:
    made = storage.Client(project="p", credentials=Credentials("a-token"), client_options={"api_endpoint": store.url})
    GUARD.put_on(made, agent, comply=False)
    return made


def test_every_attempt_is_judged_as_it_goes_on_the_wire(store: Store, agent: Agent) -> None:
    store.fails = 1
    client(store, agent).bucket("b").blob("폴더/k v").upload_from_string(b"x" * 700_000)
    assert agent.bodies == store.bodies
    assert len(store.bodies) == 2
    for head in agent.heads:
        assert (head.method, head.scheme, head.host) == ("POST", "http", f"127.0.0.1:{store.port}")
        assert head.target == "/upload/storage/v1/b/b/o?uploadType=multipart"
        assert head.header("authorization") == "Bearer a-token"
        assert head.header("content-length") == str(len(store.bodies[0]))
    assert agent.proxies == ["", ""]


def test_the_proxy_that_the_session_takes_is_named(store: Store, agent: Agent) -> None:
    made = client(store, agent)
    made._http.proxies = {"http": WAY}
    agent.refuses, agent.reply = lambda request: True, refused
    with pytest.raises(Forbidden):
        made.bucket("b").blob("k").upload_from_string(b"x")
    assert agent.proxies == [WAY]


def test_a_refusal_is_the_sdks_own_and_is_not_tried_again(store: Store, agent: Agent) -> None:
    agent.refuses, agent.reply = lambda request: True, refused
    for body in (b"small", b"x" * (9 << 20)):
        with pytest.raises(Forbidden) as caught:
            client(store, agent).bucket("b").blob("k").upload_from_string(body)
        assert "왜: R13 <&>" in str(caught.value)
        assert caught.value.response.headers["x-haechi-decision"] == "hd-1"
    assert len(agent.heads) == 2
    assert store.bodies == []


def test_reading_is_not_asked_about_and_changing_is(store: Store, agent: Agent) -> None:
    made = client(store, agent)
    made.bucket("b").blob("k").exists()
    assert agent.heads == []
    made.bucket("b").blob("k").delete()
    made.bucket("b").blob("k").patch()
    assert [head.method for head in agent.heads] == ["DELETE", "PATCH"]


def test_whatever_else_the_session_sends_is_asked_about(store: Store, agent: Agent) -> None:
    session = client(store, agent)._http
    pieces = [b"ab" * 200_000, b"c"]
    for body in (io.BytesIO(b"".join(pieces)), iter(pieces)):
        session.post(f"{store.url}/else", data=body)
    assert agent.bodies == store.bodies == [b"".join(pieces)] * 2


def test_put_on_twice_it_asks_once(store: Store, agent: Agent) -> None:
    made = client(store, Agent())
    GUARD.put_on(made, agent, comply=False)
    made.bucket("b").blob("k").upload_from_string(b"x")
    assert len(agent.heads) == 1


def test_what_is_no_session_of_requests_is_not_known(agent: Agent) -> None:
    class Other:
        is_mtls = False

        def request(self, *_: Any, **__: Any) -> None:
            """Whatever this is, nobody can stand before it."""

    assert not GUARD.knows(storage.Client(project="p", credentials=Credentials("t"), _http=Other()))
    assert not GUARD.knows(object())
