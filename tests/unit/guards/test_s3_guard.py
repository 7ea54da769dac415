"""The guard on botocore's events, with a store that fails now and then and an agent that notes what it is asked."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError
from haechi.ports.connector import RefusalText
from haechi_connectors.s3.guard import GUARD
from haechi_connectors.s3.refusal import reply as refusal

from tests.unit.guards.noted import Agent, Store
from tests.unit.guards.noted import store as running


@pytest.fixture
def store() -> Iterator[Store]:
    with running() as made:
        made.answer = b""
        yield made


@pytest.fixture
def agent() -> Agent:
    return Agent(reply=lambda request: refusal(RefusalText("AccessDenied", "왜: R13 <&>", "hd-1"), request))


def client(store: Store, agent: Agent, **config: Any) -> Any:
    made = boto3.client(
        "s3",
        endpoint_url=store.url,
        region_name="ap-northeast-2",
        aws_access_key_id="AKIAEXAMPLE",
        aws_secret_access_key="secret",
        config=Config(s3={"addressing_style": "path"}, **config),
    )
    GUARD.put_on(made, agent, comply=False)
    return made


@pytest.mark.parametrize("body", [b"small", b"x" * 700_000])
@pytest.mark.parametrize("kind", [bytes, io.BytesIO])
def test_every_attempt_is_judged_and_sent_whole(store: Store, agent: Agent, body: bytes, kind: Any) -> None:
    store.fails = 2
    quick = client(store, agent, retries={"mode": "standard", "total_max_attempts": 3})
    quick.put_object(Bucket="b", Key="k", Body=kind(body))
    assert store.bodies == [body] * 3
    assert agent.bodies == [body] * 3


def test_the_agent_sees_the_request_as_it_goes_on_the_wire(store: Store, agent: Agent) -> None:
    made = client(store, agent, proxies={"https": "http://proxy.example:3128"})
    made.put_object(Bucket="b", Key="폴더/k v", Body=b"x", Metadata={"note": "m"})
    (head,) = agent.heads
    assert (head.method, head.scheme, head.host) == ("PUT", "http", f"127.0.0.1:{store.port}")
    assert head.target == "/b/%ED%8F%B4%EB%8D%94/k%20v"
    assert head.header("x-amz-meta-note") == "m"
    assert (head.header("authorization") or "").startswith("AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/")
    assert head.header("content-length") == "1"
    assert agent.proxies == [""]


def test_a_refusal_is_the_sdks_own_and_is_not_tried_again(store: Store, agent: Agent) -> None:
    agent.refuses = lambda request: request.method == "PUT"
    made = client(store, agent, retries={"mode": "standard", "total_max_attempts": 5})
    with pytest.raises(ClientError) as caught:
        made.put_object(Bucket="b", Key="k", Body=b"x" * 700_000)
    answer = caught.value.response
    assert (answer["Error"]["Code"], answer["Error"]["Message"]) == ("AccessDenied", "왜: R13 <&>")
    assert (answer["ResponseMetadata"]["RequestId"], answer["ResponseMetadata"]["RetryAttempts"]) == ("hd-1", 0)
    assert store.bodies == []


def test_reading_is_not_asked_about_and_deleting_is(store: Store, agent: Agent) -> None:
    made = client(store, agent)
    made.get_object(Bucket="b", Key="k")
    assert agent.heads == []
    made.delete_object(Bucket="b", Key="k")
    assert [head.method for head in agent.heads] == ["DELETE"]


@pytest.mark.parametrize("code", ["control.silent", "control.connection-lost", "guard.late", "something.new"])
def test_without_an_answer_nothing_goes(store: Store, agent: Agent, code: str) -> None:
    agent.fails = code
    with pytest.raises(ClientError) as caught:
        client(store, agent).put_object(Bucket="b", Key="k", Body=b"x")
    assert caught.value.response["Error"]["Code"] == "AccessDenied"
    assert "Haechi" in caught.value.response["Error"]["Message"]
    assert store.bodies == []


def test_a_body_of_a_kind_that_nobody_can_read_is_not_sent(store: Store, agent: Agent) -> None:
    class Odd:
        """A program's own handler puts it in the body's place."""

    made = client(store, agent)
    made.meta.events.register("before-send.s3.PutObject", lambda request, **_: setattr(request, "body", Odd()))
    with pytest.raises(TypeError):
        made.put_object(Bucket="b", Key="k", Body=b"x")
    assert store.bodies == []


def test_other_handlers_still_see_what_passes(store: Store, agent: Agent, tmp_path: Path) -> None:
    seen: list[str] = []
    made = client(store, agent)
    made.meta.events.register("before-send.s3", lambda request, **_: seen.append(request.method))
    made.put_object(Bucket="b", Key="k", Body=b"x")
    assert seen == ["PUT"]
    assert store.bodies == [b"x"]


def test_a_transfer_never_takes_a_way_that_no_event_tells_of(store: Store, agent: Agent, tmp_path: Path) -> None:
    made = client(store, agent)
    wanted = TransferConfig(preferred_transfer_client="crt")
    (tmp_path / "file").write_bytes(b"from a file")
    made.upload_file(str(tmp_path / "file"), "b", "k", Config=wanted)
    made.upload_fileobj(io.BytesIO(b"from memory"), "b", "k", Config=wanted)
    assert agent.bodies == store.bodies == [b"from a file", b"from memory"]
    assert wanted.preferred_transfer_client == "crt", "the caller's own stays as it is"
