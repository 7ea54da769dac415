"""Archives that arrive in parts, as tools upload whatever is larger than 8 MiB: in order, all at once, sent again."""

from __future__ import annotations

import asyncio
import bz2
import dataclasses
import gzip
import io
import itertools
import lzma
import os
import random
import tarfile
import threading
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import brotli
import pytest
import zstandard
from haechi.app.reassembling import Copy, Reassembly
from haechi.app.unpacking import Unpacking
from haechi.domain.upload import Request
from haechi.inbound.envoy.spool import Spool, SpoolBudget
from haechi.ports.judge import Connection, Inspect

from tests.unit.judging.conftest import HOST, Case, noise

pytestmark = pytest.mark.asyncio
PART = 100_000
"""Bytes of a part here: stores want 5 MiB, the judge does not care."""


def recipe(lines: int = 6000) -> bytes:
    """Text as a recipe has it: it compresses, so that no compressed form shows a run of it."""
    rng = random.Random(7)
    return b"".join(b"step %d: %d K, %d mTorr\n" % (n, rng.randrange(999), rng.randrange(9999)) for n in range(lines))


def tarred(*members: bytes) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for number, data in enumerate(members):
            entry = tarfile.TarInfo(f"m{number}")
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return made.getvalue()


def zipped(*members: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, data in enumerate(members):
            archive.writestr(f"m{number}", data)
    return made.getvalue()


PACKINGS: dict[str, Callable[..., bytes]] = {
    "tar": tarred,
    "zip": zipped,
    "tar.gz": lambda *members: gzip.compress(tarred(*members)),
    "tar.bz2": lambda *members: bz2.compress(tarred(*members)),
    "tar.xz": lambda *members: lzma.compress(tarred(*members), preset=0),
    "tar.zst": lambda *members: zstandard.compress(tarred(*members)),
}


def cut(data: bytes, size: int = PART) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def completion(numbers: Sequence[int]) -> bytes:
    listed = "".join(f"<Part><PartNumber>{n}</PartNumber><ETag>e</ETag></Part>" for n in numbers)
    return f"<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>".encode()


async def sent(case: Case, number: int, part: bytes, key: str = "k") -> bool:
    return await case.allowed("PUT", f"/abroad/{key}?partNumber={number}&uploadId=u-{key}", part)


async def completed(case: Case, numbers: Sequence[int], key: str = "k") -> bool:
    return await case.allowed("POST", f"/abroad/{key}?uploadId=u-{key}", completion(numbers))


async def upload(case: Case, data: bytes, order: Sequence[int] | None = None, *, together: bool = False) -> list[bool]:
    """What became of the parts, in this order, and then of the completion."""
    parts = dict(enumerate(cut(data), 1))
    order = order or list(parts)
    if together:
        answers = list(await asyncio.gather(*(sent(case, number, parts[number]) for number in order)))
    else:
        answers = [await sent(case, number, parts[number]) for number in order]
    return [*answers, await completed(case, sorted(parts))]


@pytest.fixture
def tagged(case: Case) -> bytes:
    return case.tag("recipe", recipe())


@pytest.mark.parametrize("kind", PACKINGS)
@pytest.mark.parametrize("how", ["in-order", "reversed", "together"])
async def test_a_tagged_file_in_an_archive_is_found_over_parts(case: Case, tagged: bytes, kind: str, how: str) -> None:
    data = PACKINGS[kind](noise(1, 250_000), tagged, noise(2, 120_000))
    numbers = range(1, len(cut(data)) + 1)
    order = list(reversed(numbers)) if how == "reversed" else list(numbers)
    *parts, completion = await upload(case, data, order, together=how == "together")
    assert not completion
    if how == "in-order" and kind != "tar.bz2":  # one block of bzip2 is longer than all of it
        assert parts[0] and not all(parts), "refused with the part that shows it"
    refused = [record for record in case.records() if record["decision"]["effect"] == "block"]
    how_found = {match["how"] for record in refused for match in record["content"]["matches"]}
    assert how_found & {"exact", "partial"}, "found, not assumed"


@pytest.mark.parametrize("kind", PACKINGS)
@pytest.mark.parametrize("how", ["in-order", "reversed", "together"])
async def test_an_archive_without_tagged_content_passes(case: Case, tagged: bytes, kind: str, how: str) -> None:
    data = PACKINGS[kind](noise(1, 250_000), recipe(500)[::-1], noise(2, 120_000))
    numbers = range(1, len(cut(data)) + 1)
    order = list(reversed(numbers)) if how == "reversed" else list(numbers)
    assert all(await upload(case, data, order, together=how == "together"))
    last = case.records()[-1]
    assert last["action"]["operation"] == "CompleteMultipartUpload"
    assert last["content"]["state"] == "clean"


async def test_a_part_in_the_middle_of_an_archive_is_not_called_clean(case: Case, tagged: bytes) -> None:
    await upload(case, gzip.compress(noise(1, 250_000)))
    states = [r["content"]["state"] for r in case.records() if r["action"]["operation"] == "UploadPart"]
    assert states == ["not_inspected"] * 3


async def test_numbers_with_gaps_are_read_at_the_completion(case: Case, tagged: bytes) -> None:
    for key, inside, passes in (("a", tagged, False), ("b", noise(3, 150_000), True)):
        parts = dict(zip(itertools.count(1, 3), cut(gzip.compress(tarred(noise(1, 250_000), inside))), strict=False))
        for number, part in parts.items():
            assert await sent(case, number, part, key)
        assert await completed(case, list(parts), key) is passes
        assert await completed(case, list(parts), key) is passes, "and again, as clients do"


async def test_after_a_restart_the_rest_of_an_archive_is_not_known(case: Case, tagged: bytes) -> None:
    """As strict as for a part that was never seen; a plain object loses nothing."""
    packed, plain = cut(gzip.compress(noise(1, 250_000))), cut(noise(4, 250_000))
    for key, parts in (("packed", packed), ("plain", plain)):
        assert await sent(case, 1, parts[0], key)
    restarted(case)
    for key, parts in (("packed", packed), ("plain", plain)):
        assert await sent(case, 2, parts[1], key)
        assert await sent(case, 3, parts[2], key)
    assert not await completed(case, [1, 2, 3], "packed")
    assert await completed(case, [1, 2, 3], "plain")


async def test_an_archive_in_one_part_needs_nobody_who_reads_on(case: Case, tagged: bytes) -> None:
    assert await sent(case, 1, gzip.compress(noise(1, 50_000)))
    restarted(case)
    assert await completed(case, [1])


async def test_what_has_no_room_is_not_known(case: Case, tagged: bytes) -> None:
    restarted(case, room=150_000)
    parts = cut(gzip.compress(noise(1, 350_000)))
    for number in (3, 2, 4, 1):
        assert await sent(case, number, parts[number - 1])
    assert not await completed(case, [1, 2, 3, 4])


async def test_in_order_an_archive_needs_room_for_a_part_only(case: Case, tagged: bytes) -> None:
    restarted(case, room=150_000)
    assert all(await upload(case, gzip.compress(noise(1, 1_000_000))))


async def test_the_room_of_parts_that_broke_off_comes_back(case: Case, tagged: bytes) -> None:
    room = restarted(case, room=150_000)
    judging = case.judge.open(*_named(case, "PUT", "/abroad/k?partNumber=2&uploadId=u-k", PART))
    await judging.head()
    await judging.piece(noise(1, 60_000), False)
    assert room.left == 90_000
    await judging.abandoned("client-closed")
    assert room.left == 150_000, "whoever still holds the judgement"


async def test_a_part_that_is_written_while_it_is_given_up_is_closed_by_its_writer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    budget = SpoolBudget(10 << 20)
    copy = Copy(Spool(tmp_path, budget))
    writing, go_on, write, closed = threading.Event(), threading.Event(), os.write, []

    def slow(file: int, data: bytes) -> int:
        writing.set()
        go_on.wait(30)
        try:
            os.fstat(file)
        except OSError:
            closed.append(file)
        return write(file, data)

    for _ in range(4):
        copy.take(memoryview(noise(1, 600_000)))
    monkeypatch.setattr(os, "write", slow)
    thread = threading.Thread(target=copy.flush)
    thread.start()
    assert writing.wait(30)
    copy.free()
    go_on.set()
    thread.join(30)
    assert closed == [], "its number may be another file's by then"
    assert budget.left == 10 << 20


async def test_of_too_many_archives_the_one_quiet_longest_is_given_up(case: Case, tagged: bytes) -> None:
    restarted(case, objects=2)
    parts = {key: cut(gzip.compress(noise(at, 150_000))) for at, key in enumerate("abc")}
    for key in "abc":
        assert await sent(case, 1, parts[key][0], key)
    for key, known in (("b", True), ("c", True), ("a", False)):
        assert await sent(case, 2, parts[key][1], key)
        assert await completed(case, [1, 2], key) is known


async def test_the_same_part_again_changes_nothing_and_another_one_is_not_relied_on(case: Case, tagged: bytes) -> None:
    parts = cut(gzip.compress(noise(1, 250_000)))
    for number in (1, 1, 2, 3, 2):
        assert await sent(case, number, parts[number - 1])
    assert await completed(case, [1, 2, 3])
    assert await sent(case, 2, noise(5, PART))
    assert not await completed(case, [1, 2, 3])


async def test_a_completion_that_leaves_a_part_out_makes_another_object(case: Case, tagged: bytes) -> None:
    parts = cut(gzip.compress(noise(1, 350_000)))
    for number, part in enumerate(parts, 1):
        assert await sent(case, number, part)
    assert not await completed(case, [1, 3, 4])
    assert await completed(case, [1, 2, 3, 4])


async def test_a_first_part_too_short_to_tell_is_no_way_around(case: Case, tagged: bytes) -> None:
    data = gzip.compress(tarred(noise(1, 50_000), tagged))
    pieces = [data[:1], data[1:40_000], data[40_000:]]
    for number, part in enumerate(pieces, 1):
        await sent(case, number, part)
    assert not await completed(case, [1, 2, 3])
    restarted(case)
    assert not await completed(case, [1, 2, 3])


@pytest.mark.parametrize(("coding", "packed"), [("br", brotli.compress), ("deflate", zlib.compress)])
async def test_a_coding_without_a_magic_is_named_by_the_beginning(
    case: Case, tagged: bytes, coding: str, packed: Callable[[bytes], bytes]
) -> None:
    for key, inside, passes in (("a", tagged, False), ("b", noise(3, 150_000), True)):
        await case.ask("POST", f"/abroad/{key}?uploads", b"", ("content-encoding", coding))
        parts = cut(packed(inside), 20_000)
        assert len(parts) > 1
        for number, part in enumerate(parts, 1):
            await sent(case, number, part, key)
        assert await completed(case, range(1, len(parts) + 1), key) is passes


async def test_beginnings_that_name_several_codings_settle_nothing(case: Case, tagged: bytes) -> None:
    for coding in ("br", "deflate"):
        await case.ask("POST", "/abroad/k?uploads", b"", ("content-encoding", coding))
    assert await sent(case, 1, brotli.compress(noise(1, 50_000)))
    assert not await completed(case, [1])


@pytest.mark.parametrize("how", ["in-order", "after-a-restart"])
async def test_an_archive_that_is_appended_is_read_on(case: Case, tagged: bytes, how: str) -> None:
    data = gzip.compress(tarred(noise(1, 150_000), tagged))
    answers = []
    for number, part in enumerate(cut(data, 120_000)):
        offset = ("x-amz-write-offset-bytes", str(number * 120_000))
        answers.append(await case.allowed("PUT", "/abroad/grown", part, offset))
        if how == "after-a-restart":
            restarted(case)
    assert answers[0] and not all(answers)


async def appended(case: Case, data: bytes, at: int, key: str = "grown") -> bool:
    return await case.allowed("PUT", f"/abroad--apne2-az1--x-s3/{key}", data, ("x-amz-write-offset-bytes", str(at)))


async def test_a_first_piece_too_short_to_tell_does_not_call_what_is_appended_plain(case: Case, tagged: bytes) -> None:
    data = gzip.compress(tarred(noise(1, 50_000), tagged))
    answers = [await appended(case, data[:1], 0), await appended(case, data[1:], 1)]
    assert not all(answers)


async def test_a_first_piece_that_never_arrived_tells_nothing(case: Case, tagged: bytes) -> None:
    data = gzip.compress(tarred(noise(1, 50_000), tagged))
    headers = (*case.headers, ("content-length", "100000"), ("x-amz-write-offset-bytes", "0"))
    judging = case.judge.open(
        Connection("127.0.0.1", 1), Request("PUT", "https", HOST, "/abroad--apne2-az1--x-s3/grown", headers)
    )
    assert isinstance(await judging.head(), Inspect)
    await judging.piece(noise(2, 5000), last=False)
    await judging.abandoned("client-closed")
    answers = [await appended(case, data[:30_000], 0), await appended(case, data[30_000:], 30_000)]
    assert not all(answers)


def _named(case: Case, method: str, target: str, length: int):
    headers = (*case.headers, ("content-length", str(length)))
    return Connection("127.0.0.1", 1), Request(method, "https", HOST, target, headers)


def restarted(case: Case, *, room: int = 64 << 20, objects: int = 32) -> SpoolBudget:
    """Another agent over the same stores: what was in memory is gone."""
    budget, unpacking = SpoolBudget(room), case.judge.unpacking
    assert isinstance(unpacking, Unpacking)
    reassembly = Reassembly(case.index, case.assemblies, unpacking, lambda: Spool(case.folder, budget), objects=objects)
    case.judge = dataclasses.replace(case.judge, reassembly=reassembly)
    return budget
