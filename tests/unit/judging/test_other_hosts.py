"""Uploads to a host that nobody knows: all that a body wraps is judged; nothing tagged goes there, sealed or not."""

from __future__ import annotations

import base64
import gzip
import json
from urllib.parse import urlencode

import pytest
from haechi.ports.judge import Forward, Refuse

from tests.unit.judging.conftest import Case, noise
from tests.unit.payload.bodies import form, zipped
from tests.unit.payload.test_packs import NO_COMMIT, bare, entry, push

HOST = "files.example.org"
SECRET = noise(71, 12_000)
SMALL = noise(72, 700)
INNOCENT = noise(73, 20_000)
FORM = ("content-type", "multipart/form-data; boundary=AaB03x")
JSON = ("content-type", "application/json")
PUSH = ("content-type", "application/x-git-receive-pack-request")


@pytest.fixture
def elsewhere(case: Case) -> Case:
    case.headers = []
    case.tag("secret.bin", SECRET)
    case.tag("small.bin", SMALL)
    return case


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def pushed(data: bytes) -> bytes:
    return push(bare(entry(3, data)), "1" * 40)


WAYS = {
    "PUT": ("PUT", lambda data: data, ()),
    "PATCH": ("PATCH", lambda data: data, ()),
    "the second file of a form": ("POST", lambda data: form([("a", INNOCENT, "a"), ("b", data, "b")]), (FORM,)),
    "a field of a form": ("POST", lambda data: form([("a", data, None)]), (FORM,)),
    "an archive in a form": ("POST", lambda data: form([("x", zipped({"d": data}), "z.zip")]), (FORM,)),
    "a gzipped form": ("POST", lambda data: gzip.compress(form([("x", data, "x")])),
                       (FORM, ("content-encoding", "gzip"))),
    "base64 in JSON": ("POST", lambda data: json.dumps({"n": "x", "d": [encoded(data)]}).encode(), (JSON,)),
    "an archive in base64": ("POST", lambda data: json.dumps({"d": encoded(zipped({"d": data}))}).encode(), (JSON,)),
    "a data URL": ("POST", lambda data: json.dumps({"d": "data:x/y;base64," + encoded(data)}).encode(), ()),
    "an urlencoded form": ("POST", lambda data: urlencode({"d": encoded(data)}).encode(),
                           (("content-type", "application/x-www-form-urlencoded"),)),
    "WebDAV properties": ("PROPPATCH", lambda data: f"<x>{encoded(data)}</x>".encode(), ()),
    "a push": ("POST", pushed, (PUSH,)),
}  # fmt: skip


@pytest.mark.parametrize("data", [SECRET, SMALL], ids=["large", "small"])
@pytest.mark.parametrize("way", WAYS)
async def test_tagged_content_is_refused_in_whatever_it_is_wrapped(elsewhere: Case, way: str, data: bytes) -> None:
    method, wrapped, headers = WAYS[way]
    answer = await elsewhere.ask(method, "/x", wrapped(data), *headers, host=HOST, pieces=1000)
    assert isinstance(answer, Refuse)
    record = elsewhere.records()[-1]
    assert record["content"]["state"] == "matched"
    assert record["request"]["host"] == HOST


@pytest.mark.parametrize("way", WAYS)
async def test_untagged_content_goes(elsewhere: Case, way: str) -> None:
    method, wrapped, headers = WAYS[way]
    assert await elsewhere.allowed(method, "/x", wrapped(INNOCENT), *headers, host=HOST, pieces=1000)


async def test_sealed_content_goes_nowhere_unknown_either(elsewhere: Case) -> None:
    sealed = elsewhere.seal(noise(74, 30_000))
    answer = await elsewhere.ask("PUT", "/x", sealed, host=HOST)
    assert isinstance(answer, Refuse)
    assert elsewhere.records()[-1]["content"]["sealed"] is True


async def piece(case: Case, data: bytes, offset: int, target: str = "/up/1") -> bool:
    return await case.allowed("PATCH", target, data, ("upload-offset", str(offset)), host=HOST)


async def test_pieces_are_judged_with_what_came_before(elsewhere: Case) -> None:
    """Each half is shorter than a guaranteed run."""
    assert await piece(elsewhere, SECRET[:6000], 0)
    assert not await piece(elsewhere, SECRET[6000:], 6000)


async def test_a_piece_whose_beginning_nobody_saw_may_complete_anything(elsewhere: Case) -> None:
    assert not await piece(elsewhere, INNOCENT[6000:], 6000)
    assert await piece(elsewhere, INNOCENT[:6000], 0, "/up/2")
    assert await piece(elsewhere, INNOCENT[:6000], 0, "/up/2"), "sent again, when its answer was lost"
    assert await piece(elsewhere, INNOCENT[6000:], 6000, "/up/2")


async def test_ranges_are_pieces(elsewhere: Case) -> None:
    async def put(at: int, end: int) -> bool:
        said = ("content-range", f"bytes {at}-{end - 1}/{len(SECRET)}")
        return await elsewhere.allowed("PUT", "/r", SECRET[at:end], said, host=HOST)

    assert await put(0, 6000)
    assert not await put(6000, 12_000)


@pytest.mark.parametrize("method", ["COPY", "MOVE"])
async def test_a_copy_is_judged_by_what_lies_there(elsewhere: Case, method: str) -> None:
    assert await elsewhere.allowed(method, "/a", b"", ("destination", "/b"), host=HOST, length=False)
    assert not await elsewhere.allowed(method, "/a", b"", length=False, host=HOST)


async def test_a_push_that_asks_and_one_that_deletes_go(elsewhere: Case) -> None:
    assert isinstance(await elsewhere.ask("POST", "/r/git-receive-pack", b"0000", PUSH, host=HOST), Forward)
    body = push(b"", NO_COMMIT, "1" * 40)
    assert isinstance(await elsewhere.ask("POST", "/r/git-receive-pack", body, PUSH, host=HOST), Forward)
