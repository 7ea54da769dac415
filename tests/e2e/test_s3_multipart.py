"""Objects that arrive in parts: over many connections, in any order, sent again, across a restart, copied, given up."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.e2e.s3_lab import MIB, TOKYO, World, world

pytestmark = pytest.mark.e2e
PART = 5 * MIB
HALF = 4095
"""Bytes of a tagged run that no part alone shows: a fingerprinted block has 4,096."""


@pytest.fixture(scope="module", params=["moto", "versitygw-held"])
def at(request: pytest.FixtureRequest) -> Iterator[World]:
    with world(request.param, big=True) as made:
        yield made


class Upload:
    """One multipart upload into the compliant bucket."""

    def __init__(self, at: World, key: str) -> None:
        self.at, self.key, self.etags = at, key, dict[int, str]()
        self.where = {"Bucket": at.land.own_key, "Key": key}
        self.id = at.client().create_multipart_upload(**self.where)["UploadId"]

    def part(self, number: int, body: bytes) -> None:
        """Over a connection of its own."""
        answer = self.at.client().upload_part(**self.where, UploadId=self.id, PartNumber=number, Body=body)
        self.etags[number] = answer["ETag"]

    def copy_part(self, number: int, source: str, **more: str) -> None:
        answer = self.at.client().upload_part_copy(
            **self.where, UploadId=self.id, PartNumber=number, CopySource=source, **more
        )
        self.etags[number] = answer["CopyPartResult"]["ETag"]

    def complete(self, numbers: Sequence[int] = ()) -> None:
        parts = [{"PartNumber": n, "ETag": self.etags[n]} for n in (numbers or sorted(self.etags))]
        self.at.client().complete_multipart_upload(**self.where, UploadId=self.id, MultipartUpload={"Parts": parts})

    def abort(self) -> None:
        self.at.client().abort_multipart_upload(**self.where, UploadId=self.id)

    @property
    def stored(self) -> str | None:
        """The digest of what lies at the store."""
        return self.at.store.digest(self.at.land.own_key, self.key)


def refused(call: Callable[..., Any], *arguments: Any, **named: Any) -> str:
    """The message of Haechi's refusal; anything else fails."""
    with pytest.raises(ClientError) as caught:
        call(*arguments, **named)
    message = caught.value.response["Error"]["Message"]
    assert "Haechi refused" in message, message
    return message


def cut(body: bytes) -> list[bytes]:
    return [body[start : start + PART] for start in range(0, len(body), PART)]


def test_parts_in_any_order_over_many_connections(at: World) -> None:
    for name, body in (("untagged", os.urandom(12 * MIB)), ("sealed", at.big_sealed)):
        upload = Upload(at, f"many/{name}")
        parts = list(enumerate(cut(body), 1))
        random.Random(7).shuffle(parts)
        with ThreadPoolExecutor(3) as connections:
            list(connections.map(lambda part, upload=upload: upload.part(*part), parts))
        upload.complete()
        assert at.store.same(at.land.own_key, f"many/{name}", body)
    made = at.decided("many/sealed")
    assert made["content"]["sealed"] is True
    assert made["input"]["encryption"]["key"]["id"] == at.land.seoul_key


def test_every_part_of_a_tagged_file_is_refused(at: World) -> None:
    upload = Upload(at, "tagged")
    for number, part in reversed(list(enumerate(cut(at.big_tagged), 1))):
        refused(upload.part, number, part)
    upload.abort()
    assert upload.stored is None


def test_the_aws_cli_is_refused_in_parts_and_leaves_nothing(at: World) -> None:
    done = at.lab.through("aws", "s3", "cp", at.lab.work / "layout.gds", f"s3://{at.land.own_key}/by-cli")
    assert done.status != 0
    assert "Haechi refused" in done.said
    assert at.store.digest(at.land.own_key, "by-cli") is None
    assert "by-cli" not in at.store.uploads(at.land.own_key)


def test_the_aws_cli_sends_sealed_content_in_parts(at: World) -> None:
    done = at.lab.through("aws", "s3", "cp", at.lab.work / "layout.gds.age", f"s3://{at.land.own_key}/by-cli.age")
    assert done.status == 0, done.said
    assert at.store.same(at.land.own_key, "by-cli.age", at.big_sealed)


@pytest.mark.parametrize("order", [(1, 2), (2, 1)], ids=["forward", "backward"])
def test_a_tagged_run_over_a_boundary_is_found(at: World, order: tuple[int, int]) -> None:
    bodies = {
        1: os.urandom(PART - HALF) + at.big_tagged[:HALF],
        2: at.big_tagged[HALF : 2 * HALF + 2] + os.urandom(1000),
    }
    upload = Upload(at, f"boundary/{order}")
    upload.part(order[0], bodies[order[0]])
    refused(upload.part, order[1], bodies[order[1]])
    upload.abort()
    assert upload.stored is None


def test_parts_that_are_in_flight_together_are_judged_together_at_last(at: World) -> None:
    upload = Upload(at, "in-flight")
    bodies = [
        (1, os.urandom(PART - HALF) + at.big_tagged[:HALF]),
        (2, at.big_tagged[HALF : 2 * HALF + 2] + os.urandom(PART)),
        (3, os.urandom(1000)),
    ]

    def send(part: tuple[int, bytes]) -> bool:
        try:
            upload.part(*part)
        except ClientError:
            return False
        return True

    with ThreadPoolExecutor(3) as connections:
        sent = list(connections.map(send, bodies))
    if all(sent):
        refused(upload.complete)
    upload.abort()
    assert upload.stored is None


def test_parts_that_are_each_too_short_to_tell(at: World) -> None:
    """Stores want 5 MiB from each part but the last; the agent does not count on that."""
    upload, sent = Upload(at, "slivers"), 0
    with pytest.raises(ClientError, match="Haechi refused"):
        for number in range(1, 6):
            upload.part(number, at.tagged[(number - 1) * 2048 : number * 2048])
            sent = number
    assert sent * 2048 < 8192
    upload.abort()
    assert upload.stored is None


def test_a_part_left_out_brings_its_neighbours_together(at: World) -> None:
    """Between two halves of a run lies a harmless part, which the completion does not name."""
    upload = Upload(at, "left-out")
    upload.part(1, os.urandom(PART - HALF) + at.big_tagged[:HALF])
    upload.part(2, os.urandom(PART))
    upload.part(3, at.big_tagged[HALF : 2 * HALF + 2] + os.urandom(1000))
    refused(upload.complete, [1, 3])
    assert upload.stored is None
    upload.abort()


def test_a_part_that_is_sent_again(at: World) -> None:
    """With the same bytes, as clients do after a fault: nothing changes. With others: which of them the store joins,
    the agent cannot know, so the object may hold anything.
    """
    first, last = os.urandom(PART), os.urandom(1000)
    upload = Upload(at, "again/same")
    upload.part(1, first)
    refused(upload.part, 1, at.big_tagged[:PART])
    upload.part(1, first)
    upload.part(2, last)
    upload.complete()
    assert at.store.same(at.land.own_key, "again/same", first + last)
    other = Upload(at, "again/other")
    other.part(1, first)
    other.part(1, os.urandom(PART))
    refused(other.complete)
    assert other.stored is None
    other.abort()


def test_sealed_content_without_its_end_is_not_sealed(at: World) -> None:
    upload = Upload(at, "no-end")
    parts = cut(at.big_sealed)
    for number, part in enumerate(parts[:-1], 1):
        upload.part(number, part)
    refused(upload.complete)
    assert upload.stored is None
    upload.abort()


def test_what_was_sent_before_a_restart_is_remembered(at: World) -> None:
    tagged, sealed = Upload(at, "restarted/tagged"), Upload(at, "restarted/sealed")
    tagged.part(1, os.urandom(PART - HALF) + at.big_tagged[:HALF])
    parts = cut(at.big_sealed)
    sealed.part(1, parts[0])
    at.lab.stop()
    at.lab.start()
    at.connect()
    refused(tagged.part, 2, at.big_tagged[HALF : 3 * HALF] + os.urandom(1000))
    for number, part in enumerate(parts[1:], 2):
        sealed.part(number, part)
    sealed.complete()
    assert at.store.same(at.land.own_key, "restarted/sealed", at.big_sealed)
    assert at.decided("restarted/sealed")["input"]["encryption"]["key"]["id"] == at.land.seoul_key
    tagged.abort()
    assert tagged.stored is None


def test_a_part_copied_from_a_sealed_object_keeps_what_it_is(at: World) -> None:
    at.client().put_object(Bucket=at.land.own_key, Key="sources/sealed", Body=at.sealed)
    upload = Upload(at, "copied-part")
    upload.copy_part(1, f"{at.land.own_key}/sources/sealed")
    upload.complete()
    assert at.store.same(at.land.own_key, "copied-part", at.sealed)
    made = at.decided("copied-part")
    assert made["content"]["tags"]
    assert made["content"]["sealed"] is True


def test_a_part_copied_abroad_is_refused(at: World) -> None:
    at.client().put_object(Bucket=at.land.own_key, Key="sources/abroad", Body=at.sealed)
    host, target = f"s3.{TOKYO}.amazonaws.com", f"/{at.land.tokyo}/parts?partNumber=1&uploadId=any"
    source = {"x-amz-copy-source": f"{at.land.own_key}/sources/abroad"}
    answer = at.send("PUT", host, target, {**at.signed("PUT", host, target), **source})
    assert answer.refused
    assert "r10_region" in at.rules(answer)


def test_abandoning_an_upload_is_always_possible(at: World) -> None:
    upload = Upload(at, "given-up")
    upload.part(1, os.urandom(1000))
    upload.abort()
    assert "given-up" not in at.store.uploads(at.land.own_key)


def test_parts_that_nobody_saw_may_hold_anything(at: World) -> None:
    """Sent past the agent (or before it was there): completing through it is judged as the worst case."""
    straight = at.store.client()
    where = {"Bucket": at.land.own_key, "Key": "unseen"}
    upload = straight.create_multipart_upload(**where)["UploadId"]
    etag = straight.upload_part(**where, UploadId=upload, PartNumber=1, Body=at.tagged)["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    refused(at.client().complete_multipart_upload, **where, UploadId=upload, MultipartUpload=parts)
    assert at.store.digest(at.land.own_key, "unseen") is None
