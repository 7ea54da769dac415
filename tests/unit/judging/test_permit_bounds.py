"""What an exception is bound to: the exact bytes of one file, whole or in parts, and one object of one store."""

from __future__ import annotations

import dataclasses
import gzip
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3
from haechi.app.cutting import MIB, cut_of
from haechi.domain.bound import use_of
from haechi.domain.errors import HaechiError
from haechi.domain.facts import Unknown
from haechi.domain.registry import Site
from haechi.domain.upload import Location
from haechi.outbound.audit.reading import of_kinds
from haechi_connectors.generic.connector import GenericConnector
from haechi_connectors.s3.connector import S3Connector

from tests.unit.judging.conftest import Case, noise
from tests.unit.judging.test_archives_in_parts import completion, zipped
from tests.unit.judging.test_permits import DIGEST, HERE, PLAIN, closed, exception, upload
from tests.unit.payload.bodies import form

FILE = noise(31, 13 * MIB + 77)
FIRST, SECOND, THIRD = FILE[: 5 * MIB], FILE[5 * MIB : 10 * MIB], FILE[10 * MIB :]


def digest_of(data: bytes) -> str:
    return f"blake3:{blake3(data).hexdigest()}"


@pytest.fixture
def plain(case: Case) -> Case:
    """A tagged file of one part."""
    case.tag("lot.csv", PLAIN)
    return case


@pytest.fixture
def large(case: Case) -> Case:
    """A tagged file of several parts."""
    case.tag("lot.csv", FILE)
    return case


async def permitted(case: Case, data: bytes = FILE, **said: Any) -> None:
    """Asked for, signed and taken up."""
    path = case.folder / "asked"
    path.write_bytes(data)
    with path.open("rb") as source:
        await case.permits.remember(cut_of(source.fileno(), digest_of(data), "asked"))
    document = exception(case, **({"digest": digest_of(data), "size": len(data)} | said))
    await case.permits.arm_document(document, "kim")
    assert await case.allowed("POST", f"{HERE}?uploads")


async def part(case: Case, number: int, data: bytes, upload_id: str = "U1", *more: Any) -> bool:
    return await case.allowed("PUT", f"{HERE}?partNumber={number}&uploadId={upload_id}", data, *more)


async def complete(case: Case, *numbers: int, upload_id: str = "U1") -> bool:
    return await case.allowed("POST", f"{HERE}?uploadId={upload_id}", completion(numbers))


def unfit(case: Case) -> list[str]:
    """Why the newest refusal's permits did not fit, while the log goes on."""
    *_, last = of_kinds(case.folder / "audit", ("decision",))
    return [one["why"] for one in last.decoded().get("permits_unfit", ())]


# --- the bytes --------------------------------------------------------------------------------------------------------


async def test_the_parts_of_the_file_are_one_use(large: Case) -> None:
    await permitted(large)
    for number, data in enumerate((FIRST, SECOND, THIRD), 1):
        assert await part(large, number, data)
    assert await complete(large, 1, 2, 3)
    assert not await part(large, 1, FIRST, "U2"), "another upload is another use"
    assert unfit(large) == ["used"]


async def test_a_file_of_one_part_goes_as_one(plain: Case) -> None:
    await permitted(plain, PLAIN)
    assert await part(plain, 1, PLAIN)
    assert await complete(plain, 1)


@pytest.mark.parametrize("riders", [b"\x00" * 1000, noise(33, 100_000), gzip.compress(noise(34, 50_000))])
async def test_nothing_rides_along_with_what_was_approved(plain: Case, riders: bytes) -> None:
    """Not even where the whole is no larger than what was approved."""
    await permitted(plain, PLAIN)
    for body in (PLAIN[:150_000] + riders, riders + PLAIN[-150_000:], PLAIN + riders, PLAIN[:-1]):
        assert not await upload(plain, data=body)
        assert unfit(plain) == ["other-content"]
    assert await upload(plain, data=PLAIN)


async def test_a_form_has_room_for_more_than_the_file(plain: Case) -> None:
    await permitted(plain, PLAIN)
    rider = gzip.compress(noise(35, 9_000))
    body = form([("key", b"lot.csv", None), ("file", PLAIN, "lot.csv"), ("more", rider, None)])
    typed = ("content-type", "multipart/form-data; boundary=AaB03x")
    assert not await plain.allowed("POST", "/ours-seoul", body, typed)
    assert await upload(plain, data=PLAIN)


async def test_a_copy_at_the_store_is_of_what_nobody_sees(plain: Case) -> None:
    await permitted(plain, PLAIN, id="ex-1", place="ours-seoul/first")
    assert await upload(plain, "/ours-seoul/first", PLAIN)
    await permitted(plain, PLAIN, id="ex-2")
    assert not await plain.allowed("PUT", HERE, b"", ("x-amz-copy-source", "/ours-seoul/first"))
    assert "other-content" in unfit(plain)


@pytest.mark.parametrize(
    "parts",
    [
        {1: FIRST, 2: SECOND[:-1]},
        {1: SECOND},
        {2: FIRST},
        {1: FIRST[: 3 * MIB]},
        {1: FIRST, 2: SECOND[: 4 * MIB] + noise(36, MIB)},
    ],
)
async def test_a_part_that_is_not_the_files_own_is_refused(large: Case, parts: dict[int, bytes]) -> None:
    await permitted(large)
    *before, last = parts.items()
    for number, data in before:
        assert await part(large, number, data)
    assert not await part(large, *last)
    assert unfit(large) == ["other-content"]


async def test_parts_that_nobody_would_refuse_do_not_become_company(large: Case) -> None:
    """Harmless by themselves, so they go; but the object would be another one than was approved."""
    await permitted(large)
    assert await part(large, 2, noise(37, 5 * MIB))
    assert await part(large, 1, FIRST)
    assert not await part(large, 4, noise(37, 5 * MIB)), "not any more: the object holds what is protected"
    assert not await complete(large, 1, 2)
    assert await part(large, 3, THIRD)
    assert not await complete(large, 1, 3), "a gap"
    assert not await complete(large, 1), "the beginning alone"


async def test_the_completion_names_each_part_once_and_in_order(large: Case) -> None:
    await permitted(large)
    for number, data in enumerate((FIRST, SECOND, THIRD), 1):
        assert await part(large, number, data)
    for numbers in ((1, 2, 2, 3), (2, 1, 3), (1, 2), (1, 3)):
        assert not await complete(large, *numbers)
    assert await complete(large, 1, 2, 3)


async def test_an_archive_goes_in_parts_too(large: Case) -> None:
    packed = zipped(FILE)
    await permitted(large, packed)
    assert await part(large, 1, packed[: 8 * MIB])
    assert await part(large, 2, packed[8 * MIB :])
    assert await complete(large, 1, 2)


async def test_a_part_sent_again_with_other_bytes_ends_the_upload(large: Case) -> None:
    await permitted(large)
    for number, data in enumerate((FIRST, SECOND, THIRD), 1):
        assert await part(large, number, data)
    assert await part(large, 2, SECOND), "a client repeats what failed on the way"
    for other in (FIRST, SECOND[:-1], noise(38, 5 * MIB)):
        assert not await part(large, 2, other)
    assert await part(large, 2, FILE[10 * MIB :]), "the file's second part, cut otherwise"
    assert not await complete(large, 1, 2, 3)
    assert await part(large, 2, SECOND)
    assert not await complete(large, 1, 2, 3), "which of them the store kept is not known"


async def test_after_the_completion_only_the_same_bytes_go_under_its_use(large: Case) -> None:
    await permitted(large)
    for number, data in enumerate((FIRST, SECOND, THIRD), 1):
        assert await part(large, number, data)
    assert await complete(large, 1, 2, 3)
    assert not await part(large, 2, SECOND[:-1])
    assert await part(large, 2, SECOND)


async def test_how_a_file_is_cut_outlives_a_restart(large: Case) -> None:
    await permitted(large)
    closed(large)
    large.permits.join(())
    assert await part(large, 1, FIRST)


async def test_without_knowing_the_cut_the_file_goes_whole_only(large: Case) -> None:
    document = exception(large, digest=digest_of(FILE), size=len(FILE))
    await large.permits.arm_document(document, "kim")
    assert await large.allowed("POST", f"{HERE}?uploads")
    assert not await part(large, 1, FIRST)
    assert await upload(large, data=FILE)


def test_a_file_that_changes_is_not_cut(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"other")
    with path.open("rb") as source, pytest.raises(HaechiError) as raised:
        cut_of(source.fileno(), DIGEST, "f")
    assert raised.value.code == "permit.changed"


# --- the place --------------------------------------------------------------------------------------------------------

STORE = Site("s3.minio.example", "aws", "s3", "ap-northeast-2", "KR", "https://s3.minio.example")


@pytest.fixture
def elsewhere(plain: Case) -> Case:
    """With a store that only speaks the API, and calls its containers as it likes."""
    connectors = (S3Connector((STORE,)), GenericConnector())
    plain.judge = dataclasses.replace(plain.judge, connectors=connectors)
    return plain


@pytest.mark.parametrize("host", ["s3.minio.example", "s3.cn-north-1.amazonaws.com.cn"])
async def test_the_same_names_at_another_store_are_another_place(elsewhere: Case, host: str) -> None:
    rules = ("r13_layer1", *elsewhere.judge.assessor.engine.rules)
    await permitted(elsewhere, PLAIN, rules=rules)
    assert not await elsewhere.allowed("PUT", HERE, PLAIN, host=host)
    assert unfit(elsewhere) == ["other-place"]
    assert await upload(elsewhere, data=PLAIN)


async def test_a_named_store_is_a_place_of_its_own(elsewhere: Case) -> None:
    await permitted(elsewhere, PLAIN, store="s3.minio.example")
    assert not await upload(elsewhere, data=PLAIN)
    assert await elsewhere.allowed("PUT", HERE, PLAIN, host="s3.minio.example")


async def test_a_bucket_that_changed_hands_is_another_place(plain: Case) -> None:
    rules = tuple(plain.judge.assessor.engine.rules)
    await permitted(plain, PLAIN, account="999988887777", rules=rules)
    assert not await upload(plain, data=PLAIN)
    assert unfit(plain) == ["other-account"]
    await permitted(plain, PLAIN, id="ex-2", account="", rules=rules)
    assert not await upload(plain, data=PLAIN), "the owner was not known when it was approved, and is now"
    plain.destinations.change("ours-seoul", account=Unknown("not-read"))
    assert await upload(plain, data=PLAIN), "as it was approved"


def test_no_two_uploads_are_one_use() -> None:
    places = (
        Location("aws", "b", "k#1"),
        Location("aws", "b", "k"),
        Location("aws", "b/k", ""),
        Location("aws", "b", "k", store="aws-cn"),
        Location("aws", "b", "k\udcff"),
    )
    uses = {use_of(place, upload) for place in places for upload in ("2", "1#2", "k/2")}
    assert len(uses) == 3 * len(places)
