"""Ways in which somebody tried to get tagged bytes past the judge, and ways in which it refused what is harmless."""

from __future__ import annotations

import dataclasses
import io
import tarfile
import zipfile

import pytest
from haechi.domain.content import ContentState
from haechi.domain.decision import Mode
from haechi.domain.upload import Location, Request
from haechi.outbound.engine.worker_engine import WorkerEngine
from haechi.ports.judge import Connection, Forward, Refuse

from tests.unit.judging.conftest import Case, noise

PLAIN = noise(1, 200_000)
SEALED = noise(2, 200_000)
STREAM = ("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER")


def completion(*parts: int) -> bytes:
    listed = "".join(f"<Part><PartNumber>{n}</PartNumber><ETag>e</ETag></Part>" for n in parts)
    return f"<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>".encode()


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("PUT", "/abroad/x?tagging"),
        ("PUT", "/abroad?metrics&id=1"),
        ("POST", "/abroad?delete"),
        ("POST", "/abroad/x?select&select-type=2"),
        ("PUT", "/new-bucket"),
        ("PUT", "/abroad?lifecycle"),
        ("POST", "/abroad/x?uploadId=u"),
        ("POST", "/abroad/x?uploads"),
        ("GET", "/abroad/x"),
        ("DELETE", "/abroad/x"),
        ("PATCH", "/abroad/x"),
    ],
)
async def test_no_kind_of_request_carries_content_in_a_body_that_nobody_reads(
    case: Case, method: str, target: str
) -> None:
    case.tag("recipe", PLAIN)
    assert not await case.allowed(method, target, PLAIN)


async def test_control_documents_without_content_pass(case: Case) -> None:
    case.tag("recipe", PLAIN)
    assert await case.allowed("PUT", "/abroad/x?tagging", b"<Tagging><TagSet/></Tagging>")
    assert await case.allowed("POST", "/abroad?delete", b"<Delete>" + b"<Object><Key>a</Key></Object>" * 60_000)
    assert {record["action"]["operation"] for record in case.records()} <= {"PutObjectTagging"}


async def test_only_the_parts_that_are_joined_meet(case: Case) -> None:
    """Sent as every other part, with filling between, and completed without the filling."""
    case.tag("recipe", PLAIN)
    for number in range(30):
        here = PLAIN[number * 4000 : number * 4000 + 4000]
        assert await case.allowed("PUT", f"/ours-seoul/m?partNumber={2 * number + 1}&uploadId=u", here)
        assert await case.allowed(
            "PUT", f"/ours-seoul/m?partNumber={2 * number + 2}&uploadId=u", noise(1000 + number, 9000)
        )
    assert not await case.allowed("POST", "/ours-seoul/m?uploadId=u", completion(*range(1, 60, 2)))


async def test_a_part_that_was_never_seen_may_be_anything(case: Case) -> None:
    case.tag("recipe", PLAIN)
    assert await case.allowed("PUT", "/ours-seoul/m?partNumber=1&uploadId=u", noise(7, 9000))
    assert not await case.allowed("POST", "/ours-seoul/m?uploadId=u", completion(1, 2))
    assert not await case.allowed("POST", "/ours-seoul/m?uploadId=u", b"<Complete")
    assert await case.allowed("POST", "/ours-seoul/m?uploadId=u", completion(1))


async def test_a_part_sent_again_with_other_bytes_does_not_hide_the_first(case: Case) -> None:
    """A second one that the store rejects (a wrong checksum) leaves the first there."""
    case.tag("recipe", PLAIN)
    for number in range(1, 31, 2):
        target = f"/ours-seoul/m?partNumber={number}&uploadId=u"
        await case.allowed("PUT", target, PLAIN[number * 4000 : number * 4000 + 4000])
        assert await case.allowed("PUT", target, noise(1000 + number, 4000), ("content-md5", "AAAA"))
    assert not await case.allowed("POST", "/ours-seoul/m?uploadId=u", completion(*range(1, 31, 2)))
    assert await case.allowed("PUT", "/ours-seoul/n?partNumber=1&uploadId=v", noise(5, 4000))
    assert await case.allowed("PUT", "/ours-seoul/n?partNumber=1&uploadId=v", noise(5, 4000))
    assert await case.allowed("POST", "/ours-seoul/n?uploadId=v", completion(1))


async def test_parts_sent_while_nothing_was_protected_are_not_taken_for_clean(case: Case) -> None:
    assert await case.allowed("PUT", "/ours-seoul/m?partNumber=1&uploadId=u", PLAIN)
    case.tag("recipe", PLAIN)
    assert await case.allowed("PUT", "/ours-seoul/m?partNumber=2&uploadId=u", noise(7, 9000))
    assert not await case.allowed("POST", "/ours-seoul/m?uploadId=u", completion(1, 2))


async def test_another_name_of_the_source_does_not_hide_what_it_holds(case: Case) -> None:
    case.tag("recipe", PLAIN)
    case.seal(SEALED)
    assert await case.allowed("PUT", "/ours-seoul/a", SEALED)
    arn = "arn:aws:s3:ap-northeast-2:111122223333:accesspoint/door/object/a"
    assert not await case.allowed("PUT", "/abroad/a", b"", ("x-amz-copy-source", arn))
    assert not await case.allowed("PUT", "/abroad/a", b"", ("x-amz-copy-source", "door-abc-s3alias/a"))
    assert await case.allowed("PUT", "/abroad/b", b"", ("x-amz-copy-source", "another-bucket/b"))


async def test_what_was_stored_through_another_name_is_known_by_every_name(case: Case) -> None:
    case.tag("recipe", PLAIN)
    place = Location("aws", "arn:aws:s3:ap-northeast-2:111122223333:accesspoint/door", "a", alias="door")
    case.seal(SEALED)
    scan = case.index.scan()
    scan.feed(SEALED)
    case.ledger.stored(place, scan.finish())
    assert not await case.allowed("PUT", "/abroad/a", b"", ("x-amz-copy-source", "ours-seoul/a"))


async def test_appended_content_is_known_to_be_stored(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    case.tag("recipe", PLAIN)
    monitored = dataclasses.replace(case.judge.assessor.engine.modes, default=Mode.MONITOR)
    monkeypatch.setattr(
        WorkerEngine, "in_force", dataclasses.replace(case.judge.assessor.engine.in_force, modes=monitored)
    )
    assert await case.allowed("PUT", "/ours-seoul/log", PLAIN, ("x-amz-write-offset-bytes", "9000"))
    held = case.ledger.holds(Location("aws", "ours-seoul", "log"))
    assert held is not None and held.state is ContentState.MATCHED


def zipped(name: str, data: bytes, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as archive:
        archive.writestr(name, data)
    return made.getvalue()


def tarred(name: str, data: bytes) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
    return made.getvalue()


TEXT = b"".join(b"step %d: heat to %d degrees\n" % (n, n * 7919 % 1000) for n in range(20_000))


async def test_an_archive_behind_an_archive_is_opened(case: Case) -> None:
    """Tools find a zip by its end, and tar goes on after the zeros (``tar -i``)."""
    case.tag("recipe", TEXT)
    assert not await case.allowed("PUT", "/ours-seoul/x", zipped("holiday", noise(9, 9000)) + zipped("x", TEXT))
    small = case.tag("small", noise(11, 3000))
    assert not await case.allowed("PUT", "/ours-seoul/x", tarred("holiday", noise(9, 9000)) + tarred("x", small))


async def test_an_archive_behind_a_program_is_opened(case: Case) -> None:
    """A self-extracting zip begins with something else."""
    case.tag("recipe", TEXT)
    assert not await case.allowed("PUT", "/ours-seoul/x", b"#!/bin/sh\nexit\n" + zipped("x", TEXT))


async def test_opaque_content_waits_for_the_index_as_clean_does(case: Case) -> None:
    case.tag("recipe", PLAIN)
    case.index._ready = False
    assert not await case.allowed("PUT", "/ours-seoul/x", b"Salted__" + noise(3, 9000))


async def test_chunk_headers_do_not_cut_content_apart_at_an_unknown_service(case: Case) -> None:
    case.tag("recipe", PLAIN)
    chunks = b"".join(b"fa0\r\n" + PLAIN[at : at + 4000] + b"\r\n" for at in range(0, 80_000, 4000))
    decoded = ("x-amz-decoded-content-length", "80000")
    body = chunks + b"0\r\n\r\n"
    for host in ("files.example.com", "52.219.60.1", "odd.execute-api.ap-northeast-2.amazonaws.com"):
        coding = ("content-encoding", "aws-chunked")
        assert not await case.allowed("PUT", "/bucket/x", body, STREAM, decoded, coding, host=host)
    assert not await case.allowed("PUT", "/bucket/x", body, STREAM, decoded, host="files.example.com")


async def test_an_authorised_file_is_authorised_in_parts_too(case: Case) -> None:
    case.tag("recipe", PLAIN)
    scan = case.index.scan()
    scan.feed(PLAIN[:100_000])
    (match,) = scan.finish().matches
    whole = case.index.scan()
    whole.feed(PLAIN)
    assert match.digest == whole.finish().digest


async def test_names_that_disagree_hide_no_content_where_that_rule_is_only_monitored(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    case.tag("recipe", PLAIN)
    modes = dataclasses.replace(case.judge.assessor.engine.modes, by_rule={"names_disagree": Mode.MONITOR})
    policies = dataclasses.replace(case.judge.assessor.engine.in_force, modes=modes)
    monkeypatch.setattr(WorkerEngine, "in_force", policies)
    connection = Connection("127.0.0.1", 1, connect="elsewhere.example.com:443")
    head = (*case.headers, ("content-length", "200000"))
    upload = Request("PUT", "https", "s3.ap-northeast-2.amazonaws.com", "/ours-seoul/a", head)
    assert isinstance(await case.judge.open(connection, upload).head(), Refuse)
    read = Request("GET", "https", "s3.ap-northeast-2.amazonaws.com", "/ours-seoul/a", tuple(case.headers))
    assert isinstance(await case.judge.open(connection, read).head(), Forward)


async def test_a_body_that_no_head_announced_is_not_let_through(case: Case) -> None:
    """HTTP/2 needs no Content-Length; the data path says that a body comes."""
    case.tag("recipe", PLAIN)
    chunked = ("transfer-encoding", "chunked")
    assert not await case.allowed("GET", "/abroad/x", PLAIN, chunked, length=False)
    assert not await case.allowed("POST", "/abroad/x?uploads", PLAIN, chunked, length=False)
