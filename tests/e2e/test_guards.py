"""The guard on boto3, before a real agent and a store: nothing else judges here, the client goes past the data path."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pytest
from boto3.exceptions import S3UploadFailedError
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError
from haechi_connectors import guard

from tests.e2e.guard_lab import Guarded, guarded
from tests.e2e.s3_lab import MIB, TOKYO

pytestmark = pytest.mark.e2e
PARTS = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB, max_concurrency=4)


@pytest.fixture(scope="module")
def lab() -> Iterator[Guarded]:
    with guarded() as made:
        yield made


def refused(call: Callable[..., Any], **named: Any) -> str:
    """The message of a refusal in the SDK's own form; anything else fails."""
    with pytest.raises(ClientError) as caught:
        call(**named)
    error = caught.value.response["Error"]
    assert error["Code"] == "AccessDenied"
    assert "Haechi refused" in error["Message"], error
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    return str(error["Message"])


class Once(io.RawIOBase):
    """A stream as a socket or a pipe is one: it cannot be set back."""

    def __init__(self, data: bytes) -> None:
        self._source = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._source.read(size)


def test_clean_bytes_pass_and_are_on_record(lab: Guarded) -> None:
    at, body = lab.at, os.urandom(4096)
    lab.client().put_object(Bucket=at.land.own_key, Key="clean", Body=body)
    assert at.store.same(at.land.own_key, "clean", body)
    made = at.decided("clean")
    assert made["connection"]["way"] == "guard"
    assert (made["decision"]["effect"], made["action"]["operation"]) == ("allow", "PutObject")
    assert made["actor"]["pid"] == os.getpid()
    assert made["actor"]["certainty"] == "exact"


def test_tagged_bytes_are_refused_with_what_to_do(lab: Guarded) -> None:
    at = lab.at
    message = refused(lab.client().put_object, Bucket=at.land.own_key, Key="tagged", Body=at.tagged)
    assert "R13" in message
    assert "haechi explain" in message
    assert at.store.digest(at.land.own_key, "tagged") is None
    assert at.decided("tagged")["decision"]["effect"] == "block"


@pytest.mark.parametrize("size", ["small", "large"])
def test_files_are_judged_and_arrive_whole(lab: Guarded, size: str) -> None:
    at, client = lab.at, lab.client()
    name = "recipe.bin" if size == "small" else "layout.gds"
    with (at.lab.work / name).open("rb") as body:
        refused(client.put_object, Bucket=at.land.own_key, Key=f"file-{size}", Body=body)
    sealed = at.lab.work / f"{name}.age"
    with sealed.open("rb") as body:
        client.put_object(Bucket=at.land.own_key, Key=f"file-{size}", Body=body)
    assert at.store.same(at.land.own_key, f"file-{size}", sealed)
    assert at.decided(f"file-{size}")["content"]["sealed"] is True


def test_large_bytes_in_memory(lab: Guarded) -> None:
    at, client = lab.at, lab.client()
    refused(client.put_object, Bucket=at.land.own_key, Key="memory", Body=at.big_tagged)
    for body in (at.big_sealed, bytearray(at.big_sealed), io.BytesIO(at.big_sealed)):
        client.put_object(Bucket=at.land.own_key, Key="memory", Body=body)
        assert at.store.same(at.land.own_key, "memory", at.big_sealed)
        client.delete_object(Bucket=at.land.own_key, Key="memory")


@pytest.mark.parametrize("when", ["when_supported", "when_required"])
def test_multipart_uploads_of_files(lab: Guarded, when: str) -> None:
    at, client = lab.at, lab.client(request_checksum_calculation=when)
    tagged, sealed = at.lab.work / "layout.gds", at.lab.work / "layout.gds.age"
    with pytest.raises(S3UploadFailedError, match="Haechi refused"):
        client.upload_file(str(tagged), at.land.own_key, f"parts-{when}", Config=PARTS)
    assert at.store.digest(at.land.own_key, f"parts-{when}") is None
    assert f"parts-{when}" not in at.store.uploads(at.land.own_key)
    moved: list[int] = []
    client.upload_file(str(sealed), at.land.own_key, f"parts-{when}", Config=PARTS, Callback=moved.append)
    assert at.store.same(at.land.own_key, f"parts-{when}", sealed)
    assert sum(moved) == sealed.stat().st_size


def test_a_stream_that_can_be_read_once(lab: Guarded) -> None:
    at, client = lab.at, lab.client()
    with pytest.raises(ClientError, match="Haechi refused"):
        client.upload_fileobj(Once(at.big_tagged), at.land.own_key, "once", Config=PARTS)
    assert at.store.digest(at.land.own_key, "once") is None
    client.upload_fileobj(Once(at.big_sealed), at.land.own_key, "once", Config=PARTS)
    assert at.store.same(at.land.own_key, "once", at.big_sealed)


@pytest.mark.parametrize("size", [1000, 3 * MIB])
def test_a_single_body_that_can_be_read_once(lab: Guarded, size: int) -> None:
    at, client, body = lab.at, lab.client(), os.urandom(size)
    client.put_object(Bucket=at.land.own_key, Key=f"single-{size}", Body=Once(body), ContentLength=size)
    assert at.store.same(at.land.own_key, f"single-{size}", body)
    part = at.tagged[:size] if size <= len(at.tagged) else at.big_tagged[:size]
    if size > 8192:  # shorter ones need not be recognised
        wanted = {"Bucket": at.land.own_key, "Key": "single-tagged", "ContentLength": size}
        refused(client.put_object, **wanted, Body=Once(part))
        assert at.store.digest(at.land.own_key, "single-tagged") is None


def test_a_body_that_stands_in_the_middle_goes_on_from_there(lab: Guarded) -> None:
    at, client = lab.at, lab.client()
    whole = os.urandom(MIB)
    file = at.lab.work / "middle.bin"
    file.write_bytes(whole)
    for skipped in (10, 700_000):
        with file.open("rb") as body:
            body.seek(skipped)
            client.put_object(Bucket=at.land.own_key, Key="middle", Body=body, ContentLength=MIB - skipped)
        assert at.decided("middle")["content"]["size"] == MIB - skipped


def test_copies_are_judged_by_what_their_source_holds(lab: Guarded) -> None:
    at, client = lab.at, lab.client()
    client.put_object(Bucket=at.land.own_key, Key="source", Body=at.sealed)
    source = {"Bucket": at.land.own_key, "Key": "source"}
    client.copy_object(Bucket=at.land.own_key, Key="copied", CopySource=source)
    assert at.store.same(at.land.own_key, "copied", at.sealed)
    message = refused(lab.client(region=TOKYO).copy_object, Bucket=at.land.tokyo, Key="copied", CopySource=source)
    assert "R10" in message


def test_changes_of_settings_are_judged_and_reading_is_not(lab: Guarded) -> None:
    at, client = lab.at, lab.client()
    client.put_object(Bucket=at.land.own_key, Key="opened", Body=at.sealed)
    refused(client.put_object_acl, Bucket=at.land.own_key, Key="opened", ACL="public-read")
    before = len(at.lab.settled())
    client.list_objects_v2(Bucket=at.land.own_key)
    assert client.get_object(Bucket=at.land.own_key, Key="opened")["Body"].read() == at.sealed
    assert len(at.lab.settled()) == before


def test_eight_threads_share_one_client(lab: Guarded) -> None:
    at, client = lab.at, lab.client()
    bodies = [os.urandom(20_000) for _ in range(40)]

    def put(number: int) -> bool:
        if number % 5 == 4:
            refused(client.put_object, Bucket=at.land.own_key, Key=f"thread-{number}", Body=at.tagged)
            return False
        client.put_object(Bucket=at.land.own_key, Key=f"thread-{number}", Body=bodies[number])
        return True

    with ThreadPoolExecutor(8) as threads:
        went = list(threads.map(put, range(40)))
    assert sum(went) == 32
    for number in (0, 13, 38):
        assert at.store.same(at.land.own_key, f"thread-{number}", bodies[number])
    assert at.store.digest(at.land.own_key, "thread-4") is None


def test_twenty_threads_wait_for_each_other(lab: Guarded) -> None:
    """More than a process has connections to the agent; none is refused for that."""
    at, client = lab.at, lab.client()
    ready = threading.Barrier(20)

    def put(number: int) -> None:
        ready.wait()
        client.put_object(Bucket=at.land.own_key, Key=f"crowd-{number}", Body=os.urandom(1000))

    with ThreadPoolExecutor(20) as threads:
        list(threads.map(put, range(20)))


def test_a_resource_has_a_client(lab: Guarded) -> None:
    at = lab.at
    made = boto3.resource("s3", region_name="ap-northeast-2", aws_access_key_id="a", aws_secret_access_key="b")
    assert guard(made, agent=at.lab.socket) is made
    refused(made.Object(at.land.own_key, "resource").put, Body=at.tagged)


def test_what_passes_the_guard_is_judged_again(lab: Guarded) -> None:
    """The guard exempts nothing: two records, and the parts of one object are put together once."""
    at, client = lab.at, lab.client(through=lab.proxy)
    client.put_object(Bucket=at.land.own_key, Key="twice", Body=at.sealed)
    ways = [one["connection"]["way"] for one in at.lab.settled() if "'twice'" in repr(one["destination"])]
    assert ways == ["guard", "proxy"]
    sealed: Path = at.lab.work / "layout.gds.age"
    client.upload_file(str(sealed), at.land.own_key, "twice-parts", Config=PARTS)
    assert at.store.same(at.land.own_key, "twice-parts", sealed)
    last = [one for one in at.lab.settled() if one["action"]["operation"] == "CompleteMultipartUpload"][-2:]
    assert [one["connection"]["way"] for one in last] == ["guard", "proxy"]
    assert all(one["content"]["sealed"] for one in last)


def test_who_is_no_client_is_told_so() -> None:
    for other in (object(), boto3.client("sts", region_name="ap-northeast-2")):
        with pytest.raises(TypeError, match=r"boto3\.client"):
            guard(other, agent="/nowhere")
