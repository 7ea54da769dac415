"""Objects that grow by appends (directory buckets): what lies before an append is part of what it makes."""

from __future__ import annotations

import dataclasses

import pytest

from tests.policy.base import DESTINATION
from tests.unit.judging.conftest import Case, noise

SECRET = noise(103, 12_000)
BUCKET, POINT = "ours--apne2-az1--x-s3", "ours-apne2-az1--xa-s3"


@pytest.fixture
def growing(case: Case) -> Case:
    """Each half of the protected file is shorter than a guaranteed run."""
    for name in (BUCKET, POINT):
        case.destinations.known[name] = dataclasses.replace(DESTINATION, container=name)
    case.tag("small", SECRET)
    return case


async def put(case: Case, data: bytes, offset: int | None = None, *, bucket: str = BUCKET, key: str = "k") -> bool:
    more = [("x-amz-write-offset-bytes", str(offset))] if offset is not None else []
    return await case.allowed("PUT", f"/{bucket}/{key}", data, *more)


@pytest.mark.parametrize("first", [None, 0])
async def test_an_append_is_judged_with_what_it_is_appended_to(growing: Case, first: int | None) -> None:
    assert await put(growing, SECRET[:6000], first)
    assert not await put(growing, SECRET[6000:], 6000)


async def test_each_half_alone_is_not_recognised(growing: Case) -> None:
    """What the other tests rest on."""
    assert await put(growing, SECRET[:6000], key="a")
    assert await put(growing, SECRET[6000:], key="b")


async def test_untagged_appends_go_on(growing: Case) -> None:
    data = noise(5, 30_000)
    assert await put(growing, data[:5000])
    for at in range(5000, 30_000, 5000):
        assert await put(growing, data[at : at + 5000], at)


async def test_an_append_to_what_was_never_seen_may_complete_anything(growing: Case) -> None:
    assert not await put(growing, SECRET[6000:], 6000)
    assert not await put(growing, noise(6, 100), 6000)


async def test_a_gap_before_an_append_may_hold_anything(growing: Case) -> None:
    assert await put(growing, SECRET[:3000])
    assert not await put(growing, SECRET[6000:], 6000)


async def test_another_name_of_the_bucket_does_not_part_them(growing: Case) -> None:
    assert await put(growing, SECRET[:6000])
    assert not await put(growing, SECRET[6000:], 6000, bucket=POINT)


async def test_an_earlier_object_of_that_name_hides_no_seam(growing: Case) -> None:
    assert await put(growing, noise(7, 3000))
    assert await put(growing, b"x", 3000)
    assert await put(growing, SECRET[:6000])
    assert not await put(growing, SECRET[6000:], 6000)


async def test_a_plain_upload_to_a_directory_bucket_is_judged_as_a_whole(growing: Case) -> None:
    assert not await put(growing, SECRET)
    sealed = growing.seal(noise(8, 200_000))
    assert await put(growing, sealed, key="sealed")
    assert not await put(growing, sealed[:100_000], key="half")
