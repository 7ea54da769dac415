"""Azure's blobs: named blocks joined by a list, appends, pages. What they make together is what is judged."""

from __future__ import annotations

import base64
import dataclasses
import gzip
import io
import tarfile

import pytest
from haechi.domain.content import Content, ContentState, Match, MatchHow
from haechi.domain.destination import EncryptionFacts, KeyFacts
from haechi.domain.registry import Attestation, CloudAccount, RegistryIndex, TakeOut
from haechi.domain.upload import Assembly, Location
from haechi_connectors.azure.connector import AzureConnector

from tests.fakes import FixedRegistry
from tests.lab.institution import ABOUT_PROVIDER
from tests.policy.base import DESTINATION, REGISTRY, STATED, STATES, TAG
from tests.unit.judging.conftest import Case, noise

SECRET = noise(100, 12_288)
HALF = 6144
HOST = "fab1.blob.core.windows.net"
LAKE = "fab1.dfs.core.windows.net"
OURS = "5a5c0000-0000-4000-8000-000000000001"
KEY = "https://ours.vault.azure.net/keys/nct"
EMPTY = ("content-length", "0")


def as_ours() -> RegistryIndex:
    """The passing registry, with the same account, key and statements at Azure."""
    data = REGISTRY.data
    takeout = data.takeouts[0]
    there = dataclasses.replace(takeout.reach.destinations[0], provider="azure", account=OURS)
    return RegistryIndex(
        dataclasses.replace(
            data,
            accounts=(*data.accounts, CloudAccount("azure", OURS, "production")),
            keys=(*data.keys, dataclasses.replace(data.keys[0], provider="azure", id=KEY)),
            takeouts=(
                *data.takeouts,
                TakeOut("T-2", "Lee", dataclasses.replace(takeout.reach, destinations=(there,))),
            ),
            attestations=(
                *data.attestations,
                *(Attestation(f"Z-{subject}", subject, "azure", STATED, period=STATES) for subject in ABOUT_PROVIDER),
            ),
        )
    )


@pytest.fixture
def blobs(case: Case) -> Case:
    """Each half of the protected file is shorter than a guaranteed run."""
    key = KeyFacts(KEY, OURS, "koreacentral", "KR", "AZURE_KEY_VAULT", "customer", False, True)
    case.destinations.known["fab1/ours"] = dataclasses.replace(
        DESTINATION,
        provider="azure",
        container="fab1/ours",
        region="koreacentral",
        account=OURS,
        encryption=EncryptionFacts("kms", key),
    )
    case.judge = dataclasses.replace(case.judge, connectors=(AzureConnector(), *case.judge.connectors))
    case.judge.assessor.registry = FixedRegistry(as_ours())
    case.tag("small", SECRET)
    case.headers = [("authorization", "SharedKey fab1:c2ln")]
    return case


def name_of(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


async def block(
    case: Case, name: str, data: bytes, key: str = "k", *more: tuple[str, str], status: int | None = 201
) -> bool:
    quoted = name_of(name).replace("=", "%3D").replace("+", "%2B")
    return await case.allowed("PUT", f"/ours/{key}?comp=block&blockid={quoted}", data, *more, host=HOST, status=status)


async def join(case: Case, *names: str, key: str = "k", state: str = "Latest") -> bool:
    rows = "".join(f"<{state}>{name_of(name)}</{state}>" for name in names)
    body = f'<?xml version="1.0" encoding="utf-8"?><BlockList>{rows}</BlockList>'.encode()
    return await case.allowed("PUT", f"/ours/{key}?comp=blocklist", body, host=HOST)


async def single(case: Case, data: bytes, key: str = "k") -> bool:
    return await case.allowed("PUT", f"/ours/{key}", data, ("x-ms-blob-type", "BlockBlob"), host=HOST)


async def create(case: Case, kind: str, key: str = "k") -> bool:
    return await case.allowed("PUT", f"/ours/{key}", b"", ("x-ms-blob-type", kind), host=HOST)


async def append(case: Case, data: bytes, at: int | None = None, key: str = "k") -> bool:
    more = [("x-ms-blob-condition-appendpos", str(at))] if at is not None else []
    return await case.allowed("PUT", f"/ours/{key}?comp=appendblock", data, *more, host=HOST)


async def page(case: Case, data: bytes, at: int, key: str = "k") -> bool:
    headers = (("x-ms-page-write", "update"), ("x-ms-range", f"bytes={at}-{at + len(data) - 1}"))
    return await case.allowed("PUT", f"/ours/{key}?comp=page", data, *headers, host=HOST)


def archive(data: bytes) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        about = tarfile.TarInfo("recipe.csv")
        about.size = len(data)
        tar.addfile(about, io.BytesIO(data))
    return gzip.compress(made.getvalue())


async def test_each_half_alone_is_not_recognised(blobs: Case) -> None:
    """What the other tests rest on."""
    assert await single(blobs, SECRET[:HALF], "a")
    assert await single(blobs, SECRET[HALF:], "b")


async def test_a_blob_in_one_request(blobs: Case) -> None:
    assert not await single(blobs, SECRET)
    assert await single(blobs, noise(1, 50_000))
    assert await single(blobs, blobs.seal(noise(2, 200_000)))


async def test_a_block_is_judged_with_those_before_it(blobs: Case) -> None:
    assert await block(blobs, "1", SECRET[:HALF])
    assert not await block(blobs, "2", SECRET[HALF:])


async def test_the_list_says_the_order(blobs: Case) -> None:
    assert await block(blobs, "2", SECRET[HALF:])
    assert await block(blobs, "1", SECRET[:HALF])
    assert await join(blobs, "2", "1")
    assert await block(blobs, "2", SECRET[HALF:])
    assert await block(blobs, "1", SECRET[:HALF])
    assert not await join(blobs, "1", "2")


async def test_the_same_block_may_stand_in_a_list_twice(blobs: Case) -> None:
    third = 4096
    twice = noise(9, third) * 2
    blobs.tag("twice", twice)
    assert await block(blobs, "a", twice[:third])
    assert not await join(blobs, "a", "a")


async def test_blocks_are_known_after_a_restart(blobs: Case) -> None:
    assert await block(blobs, "2", SECRET[HALF:])
    assert await block(blobs, "1", SECRET[:HALF])
    blobs.assemblies.close()
    assert not await join(blobs, "1", "2")
    assert await block(blobs, "x", noise(3, 5000), "other")
    blobs.assemblies.close()
    assert await join(blobs, "x", key="other")


async def test_harmless_blocks_make_a_harmless_blob(blobs: Case) -> None:
    data = noise(4, 100_000)
    for at in range(0, 100_000, 20_000):
        assert await block(blobs, f"{at:09}", data[at : at + 20_000])
    assert await join(blobs, *(f"{at:09}" for at in range(0, 100_000, 20_000)))


async def test_a_block_that_was_never_seen_may_be_anything(blobs: Case) -> None:
    assert await block(blobs, "1", noise(5, 9000))
    assert not await join(blobs, "1", "2")
    assert not await join(blobs)


async def test_a_committed_block_is_one_that_a_list_joined(blobs: Case) -> None:
    assert await block(blobs, "1", noise(5, 9000))
    assert not await join(blobs, "1", state="Committed")
    assert await join(blobs, "1", state="Uncommitted")
    assert await join(blobs, "1", state="Committed")


async def test_blocks_of_an_earlier_list_are_joined_with_new_ones(blobs: Case) -> None:
    assert await block(blobs, "1", SECRET[:HALF])
    assert await join(blobs, "1")
    assert await block(blobs, "9", noise(6, 9000))
    assert await join(blobs, "1", "9")
    assert await block(blobs, "2", SECRET[HALF:])
    assert not await join(blobs, "1", "2")


async def test_a_name_sent_again_with_other_bytes_may_be_either(blobs: Case) -> None:
    assert await block(blobs, "1", noise(7, 9000))
    assert await block(blobs, "1", noise(7, 9000))
    assert await join(blobs, "1", key="k")
    assert await block(blobs, "1", noise(7, 9000), "two")
    assert await block(blobs, "1", noise(8, 9000), "two", status=None)
    assert not await join(blobs, "1", key="two")


@pytest.mark.parametrize("status", [201, 412])
async def test_a_name_sent_again_is_the_one_that_the_store_took(blobs: Case, status: int) -> None:
    """One of both versions makes a secret together with what follows."""
    half, other = len(SECRET) // 2, noise(8, 4000)
    first, second = (other, SECRET[:half]) if status == 201 else (SECRET[:half], other)
    assert await block(blobs, "1", first)
    assert await block(blobs, "1", second, status=status)
    assert not await block(blobs, "2", SECRET[half:])


async def test_what_the_store_fails_at_may_be_either(blobs: Case) -> None:
    assert await create(blobs, "AppendBlob")
    assert await blobs.allowed("PUT", "/ours/k?comp=appendblock", noise(9, 2000), host=HOST, status=503)
    assert not await append(blobs, b"a line")


async def test_an_upload_anew_is_another_round(blobs: Case) -> None:
    for seed in (10, 11, 12):
        assert await block(blobs, "1", noise(seed, 9000))
        assert await block(blobs, "2", noise(seed + 100, 9000))
        assert await join(blobs, "1", "2")


async def test_sealed_blocks_are_sealed_together_only(blobs: Case) -> None:
    sealed = blobs.seal(noise(13, 300_000))
    for at in (0, 100_000, 200_000):
        assert await block(blobs, str(at), sealed[at : at + 100_000])
    assert not await join(blobs, "0", "200000")
    assert await join(blobs, "0", "100000", "200000")


@pytest.mark.parametrize("size", [400, 2000])
async def test_an_archive_in_blocks_is_read_as_a_whole(blobs: Case, size: int) -> None:
    packed = archive(SECRET)
    pieces = [packed[at : at + size] for at in range(0, len(packed), size)]
    names = [f"{number:05}" for number in range(len(pieces))]
    sent = [await block(blobs, name, data) for name, data in zip(names, pieces, strict=True)]
    assert not all(sent) or not await join(blobs, *names)
    harmless = archive(noise(14, 12_000))
    pieces = [harmless[at : at + size] for at in range(0, len(harmless), size)]
    names = [f"{number:05}" for number in range(len(pieces))]
    for name, data in zip(names, pieces, strict=True):
        assert await block(blobs, name, data, "harmless")
    assert await join(blobs, *names, key="harmless")


@pytest.mark.parametrize("late", [1, 15, 16])
async def test_an_archive_is_read_in_the_order_of_its_list(blobs: Case, late: int) -> None:
    """Blocks come in any order; where the first comes later than clients send at once, nobody kept those before it."""
    for key, data, holds in (("harmless", noise(15, 40_000), False), ("tagged", SECRET + noise(29, 28_000), True)):
        packed = archive(data)
        pieces = [packed[at : at + 1500] for at in range(0, len(packed), 1500)]
        names = [f"{number:05}" for number in range(len(pieces))]
        order = [*range(1, late + 1), 0, *range(late + 1, len(pieces))]
        for number in order:
            assert await block(blobs, names[number], pieces[number], key)
        assert await join(blobs, *names, key=key) == (not holds and late < 16)


async def test_an_archive_in_which_a_block_stands_twice_may_hold_anything(blobs: Case) -> None:
    packed = archive(noise(30, 12_000))
    assert await block(blobs, "1", packed)
    assert not await join(blobs, "1", "1")


async def test_a_block_from_somewhere_else_may_hold_anything(blobs: Case) -> None:
    target = f"/ours/k?comp=block&blockid={name_of('1').replace('=', '%3D')}"
    source = ("x-ms-copy-source", "https://elsewhere.example/file")
    assert not await blobs.allowed("PUT", target, b"", source, host=HOST)


async def test_an_append_is_judged_with_what_is_there(blobs: Case) -> None:
    assert await create(blobs, "AppendBlob")
    assert await append(blobs, SECRET[:HALF])
    assert not await append(blobs, SECRET[HALF:])
    assert not await append(blobs, SECRET[HALF:], HALF)
    assert await append(blobs, noise(16, 3000), HALF)
    assert await append(blobs, noise(17, 3000))


async def test_an_append_to_what_was_never_seen_may_complete_anything(blobs: Case) -> None:
    assert not await append(blobs, noise(18, 3000))
    assert not await append(blobs, noise(18, 3000), 4096)


async def test_a_blob_made_anew_begins_empty(blobs: Case) -> None:
    assert await create(blobs, "AppendBlob")
    assert await append(blobs, SECRET[:HALF])
    assert await create(blobs, "AppendBlob")
    assert await append(blobs, SECRET[HALF:])


async def test_sealed_appends(blobs: Case) -> None:
    sealed = blobs.seal(noise(19, 300_000))
    assert await create(blobs, "AppendBlob")
    for at in (0, 100_000, 200_000):
        assert await append(blobs, sealed[at : at + 100_000], at or None)


async def test_pages_are_judged_with_their_neighbours(blobs: Case) -> None:
    assert await create(blobs, "PageBlob")
    assert await page(blobs, noise(20, 4096), 1 << 20)
    assert await page(blobs, SECRET[HALF:], HALF)
    assert not await page(blobs, SECRET[:HALF], 0)


async def test_pages_of_a_blob_that_was_never_seen_may_complete_anything(blobs: Case) -> None:
    assert not await page(blobs, noise(21, 512), 0)


async def test_pages_may_be_written_over_unless_they_are_an_archive(blobs: Case) -> None:
    assert await create(blobs, "PageBlob")
    assert await page(blobs, noise(22, 4096), 0)
    assert await page(blobs, noise(23, 4096), 2048)
    assert await page(blobs, noise(24, 4096), 0)
    packed = archive(noise(25, 20_000))
    assert await create(blobs, "PageBlob", "zip")
    assert await page(blobs, packed[:8192], 0, "zip")
    assert not await page(blobs, noise(26, 4096), 1024, "zip")


async def test_an_archive_in_pages_is_read_as_a_whole(blobs: Case) -> None:
    packed = archive(SECRET)
    assert await create(blobs, "PageBlob")
    sent = [await page(blobs, packed[at : at + 1024], at) for at in range(0, len(packed), 1024)]
    assert not all(sent)


async def test_a_data_lake_file_is_made_of_what_is_appended(blobs: Case) -> None:
    made = ("x-ms-meta-a", "b")
    assert await blobs.allowed("PUT", "/ours/d?resource=file", b"", made, host=LAKE)
    assert await blobs.allowed("PATCH", "/ours/d?action=append&position=0", SECRET[:HALF], host=LAKE)
    assert not await blobs.allowed("PATCH", f"/ours/d?action=append&position={HALF}", SECRET[HALF:], host=LAKE)
    assert await blobs.allowed("PATCH", f"/ours/d?action=flush&position={HALF}", b"", EMPTY, host=LAKE)
    assert not await blobs.allowed("PATCH", "/ours/new?action=append&position=6144", noise(27, 3000), host=LAKE)


async def test_a_sealed_blob_may_be_copied_and_what_nobody_saw_not_beside_a_plain_one(blobs: Case) -> None:
    """Beside ciphertext alone, what nobody saw is ciphertext too."""
    assert await single(blobs, blobs.seal(noise(28, 200_000)), "sealed")
    source = "https://fab1.blob.core.windows.net/ours/"
    assert await blobs.allowed("PUT", "/ours/copy", b"", ("x-ms-copy-source", source + "sealed"), host=HOST)
    assert await blobs.allowed("PUT", "/ours/copy", b"", ("x-ms-copy-source", source + "unseen"), host=HOST)
    plain = Match("1", "secret", (TAG,), MatchHow.EXACT)
    place = Location("azure", "fab1/ours", "plain", endpoint=HOST)
    blobs.ledger.stored(place, Content(ContentState.MATCHED, (plain,)))
    assert not await blobs.allowed("PUT", "/ours/copy", b"", ("x-ms-copy-source", source + "unseen"), host=HOST)
    assert not await blobs.allowed("PUT", "/ours/copy", b"", ("x-ms-copy-source", "https://else.example/x"), host=HOST)


async def test_a_batch_is_not_known(blobs: Case) -> None:
    body = b"--batch\r\nContent-Type: application/http\r\n\r\nDELETE /ours/k HTTP/1.1\r\n\r\n--batch--"
    content = ("content-type", "multipart/mixed; boundary=batch")
    assert not await blobs.allowed("POST", "/?comp=batch", body, content, host=HOST)


def test_rounds_are_never_numbered_alike(blobs: Case) -> None:
    place = Location("azure", "fab1/ours", "k#1")
    first = blobs.assemblies.numbered(place, Assembly("blocks:k#1", name="YQ==", alone=True))
    other = blobs.assemblies.numbered(place, Assembly("blocks:k", name="YQ==", alone=True))
    assert first.part == other.part == 1
    assert first.id.rpartition("#")[0] == "blocks:k#1"
    assert other.id.rpartition("#")[0] == "blocks:k"
