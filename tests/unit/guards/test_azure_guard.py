"""The guard on Azure's transport, with a store that fails now and then and an agent that notes what it is asked."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError
from azure.core.pipeline.transport import HttpRequest, RequestsTransport
from azure.core.rest import HttpRequest as RestRequest
from azure.storage.blob import BlobServiceClient, LinearRetry
from azure.storage.blob.aio import BlobServiceClient as AsyncBlobServiceClient
from azure.storage.blob.aio import LinearRetry as AsyncLinearRetry
from haechi.domain.upload import Request
from haechi.ports.connector import RefusalText
from haechi.ports.judge import Reply
from haechi_connectors.azure.guard import GUARD
from haechi_connectors.azure.refusal import reply

from tests.unit.guards.noted import Agent, Store
from tests.unit.guards.noted import store as running

WAY = "http://proxy.example:3128"
KEY = {"account_name": "fab1", "account_key": "a2V5"}


def refused(request: Request) -> Reply:
    return reply(RefusalText("x", "왜: R13 <&>", "hd-1"), request, lake=False)


@pytest.fixture
def store() -> Iterator[Store]:
    with running() as made:
        made.answer = b""
        yield made


@pytest.fixture
def agent() -> Agent:
    return Agent()


def service(store: Store, agent: Agent, **more: Any) -> Any:
    made = BlobServiceClient(
        f"{store.url}/fab1", credential=KEY, retry_policy=LinearRetry(backoff=0, random_jitter_range=0), **more
    )
    GUARD.put_on(made, agent, comply=False)
    return made


@pytest.mark.parametrize("body", [b"small", b"x" * 700_000])
@pytest.mark.parametrize("kind", [bytes, io.BytesIO])
def test_every_attempt_is_judged_as_it_goes_on_the_wire(store: Store, agent: Agent, body: bytes, kind: Any) -> None:
    store.fails = 2
    service(store, agent).get_blob_client("c", "폴더/k v").upload_blob(kind(body), overwrite=True)
    assert agent.bodies == store.bodies == [body] * 3
    for head in agent.heads:
        assert (head.method, head.scheme, head.host) == ("PUT", "http", f"127.0.0.1:{store.port}")
        assert head.target == "/fab1/c/%ED%8F%B4%EB%8D%94/k%20v"
        assert (head.header("authorization") or "").startswith("SharedKey fab1:")
        assert head.header("content-length") == str(len(body))
    assert agent.proxies == [""] * 3


def test_the_proxy_that_the_client_takes_is_named(store: Store, agent: Agent) -> None:
    agent.refuses, agent.reply = lambda request: True, refused
    with pytest.raises(HttpResponseError):
        service(store, agent, proxies={"http": WAY}).get_blob_client("c", "k").upload_blob(b"x")
    assert agent.proxies == [WAY]


def test_the_proxy_of_the_environment_is_named(store: Store, agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", WAY)
    monkeypatch.setenv("no_proxy", "nowhere.example")
    agent.refuses, agent.reply = lambda request: True, refused
    with pytest.raises(HttpResponseError):
        service(store, agent).get_blob_client("c", "k").upload_blob(b"x")
    assert agent.proxies == [WAY]


def test_a_refusal_is_the_sdks_own_and_is_not_tried_again(store: Store, agent: Agent) -> None:
    agent.refuses, agent.reply = lambda request: True, refused
    blob = service(store, agent).get_blob_client("c", "k")
    with pytest.raises(HttpResponseError) as caught:
        blob.upload_blob(b"x" * 700_000)
    error = caught.value
    assert error.status_code == 403
    assert error.error_code == "InsufficientAccountPermissions"
    assert "왜: R13 <&>" in error.message
    assert error.response is not None
    assert error.response.headers["x-ms-request-id"] == "hd-1"
    assert len(agent.heads) == 1
    assert store.bodies == []


async def test_the_same_for_asyncio(store: Store, agent: Agent) -> None:
    store.fails = 1
    made = AsyncBlobServiceClient(
        f"{store.url}/fab1", credential=KEY, retry_policy=AsyncLinearRetry(backoff=0, random_jitter_range=0)
    )
    GUARD.put_on(made, agent, comply=False)
    async with made as client:
        await client.get_blob_client("c", "k").upload_blob(b"x" * 700_000)
        assert agent.bodies == store.bodies == [b"x" * 700_000] * 2
        agent.refuses, agent.reply = lambda request: True, refused
        with pytest.raises(HttpResponseError) as caught:
            await client.get_blob_client("c", "k").upload_blob(b"x")
    assert caught.value.error_code == "InsufficientAccountPermissions"
    assert len(store.bodies) == 2


def test_what_carries_nothing_says_so(store: Store, agent: Agent) -> None:
    service(store, agent).create_container("made")
    assert agent.heads[0].header("content-length") == "0"


def test_reading_is_not_asked_about_and_deleting_is(store: Store, agent: Agent) -> None:
    blob = service(store, agent).get_blob_client("c", "k")
    blob.exists()
    assert agent.heads == []
    with pytest.raises(HttpResponseError):  # this store answers 200, which is no answer to it
        blob.delete_blob()
    assert [head.method for head in agent.heads] == ["DELETE"]


@pytest.mark.parametrize("kind", [HttpRequest, RestRequest])
def test_both_kinds_of_requests_of_azure_core(store: Store, agent: Agent, kind: Any) -> None:
    transport = RequestsTransport()
    made = BlobServiceClient(f"{store.url}/fab1", transport=transport)
    GUARD.put_on(made, agent, comply=False)
    whole = b"ab" * 300_000
    if kind is RestRequest:
        request = kind("PUT", store.url, content=iter([whole[:5], whole[5:]]))
    else:
        request = kind("PUT", store.url)
        request.set_streamed_data_body(iter([whole[:5], whole[5:]]))
    assert transport.send(request).status_code == 201
    assert agent.bodies == store.bodies == [whole]
    agent.refuses, agent.reply = lambda request: True, refused
    assert transport.send(kind("DELETE", store.url)).status_code == 403


def test_a_form_is_of_a_kind_that_nobody_can_read(store: Store, agent: Agent) -> None:
    transport = RequestsTransport()
    GUARD.put_on(BlobServiceClient(f"{store.url}/fab1", transport=transport), agent, comply=False)
    with pytest.raises(TypeError):
        transport.send(RestRequest("POST", store.url, files={"file": b"x"}))
    assert store.bodies == []


def test_put_on_twice_it_asks_once(store: Store, agent: Agent) -> None:
    made = service(store, Agent())
    GUARD.put_on(made.get_container_client("c"), Agent(), comply=False)
    GUARD.put_on(made, agent, comply=False)
    made.get_blob_client("c", "k").upload_blob(b"x")
    assert len(agent.heads) == 1
