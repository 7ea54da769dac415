"""Resumable sessions: pieces by offset over connections and restarts, which the store may keep in part."""

from __future__ import annotations

import dataclasses

import pytest
from haechi.domain.destination import EncryptionFacts
from haechi.domain.registry import ApprovedKey, CloudAccount, NamedPlace, Reach, RegistryIndex, TakeOut
from haechi.domain.upload import Request
from haechi.ports.judge import Connection, Forward, Inspect, Refuse
from haechi_connectors.gcs.connector import GcsConnector

from tests.fakes import FixedRegistry
from tests.policy.base import DESTINATION, REGISTRY, TO_OURS
from tests.unit.judging.conftest import Case, noise

HOST = "storage.asia-northeast3.rep.googleapis.com"
PROJECT = "123456789012"
KEY = "projects/nct/locations/asia-northeast3/keyRings/r/cryptoKeys/k"
UP = "/upload/storage/v1/b/ours-seoul/o"
GRID = 256 << 10
SECRET = noise(201, 12_000)
"""Each half of it is shorter than a guaranteed run."""


@pytest.fixture
def gcs(case: Case) -> Case:
    """A bucket of our own in Seoul, and a registry that says so."""
    key = dataclasses.replace(
        DESTINATION.encryption.key, id=KEY, account=PROJECT, region="asia-northeast3", origin="HSM"
    )
    ours = dataclasses.replace(
        DESTINATION, provider="gcp", region="asia-northeast3", account=PROJECT, encryption=EncryptionFacts("kms", key)
    )
    case.destinations.known["ours-seoul"] = ours
    data = REGISTRY.data
    there = dataclasses.replace(TO_OURS, destinations=(NamedPlace("gcp", "KR", account=PROJECT),))
    assert isinstance(there, Reach)
    registry = FixedRegistry(
        RegistryIndex(
            dataclasses.replace(
                data,
                accounts=(CloudAccount("gcp", PROJECT),),
                keys=(ApprovedKey("gcp", KEY),),
                takeouts=(TakeOut("T-1", "Lee", there),),
                attestations=tuple(
                    dataclasses.replace(one, provider="gcp" if one.provider else "") for one in data.attestations
                ),
            )
        )
    )
    case.judge = dataclasses.replace(
        case.judge,
        connectors=(GcsConnector(), *case.judge.connectors),
        assessor=dataclasses.replace(case.judge.assessor, registry=registry),
        conclude=dataclasses.replace(
            case.judge.conclude, assessor=dataclasses.replace(case.judge.assessor, registry=registry)
        ),
    )
    case.headers = []
    case.tag("small", SECRET)
    return case


async def begin(case: Case, document: bytes = b'{"name": "k"}') -> bool:
    return await case.allowed("POST", f"{UP}?uploadType=resumable", document, host=HOST)


async def send(case: Case, data: bytes, start: int = 0, total: int | str = "*", session: str = "U") -> bool:
    said = ("content-range", f"bytes {start}-{start + len(data) - 1}/{total}")
    return await case.allowed("PUT", f"{UP}?uploadType=resumable&upload_id={session}", data, said, host=HOST)


async def broken(case: Case, data: bytes, size: int, start: int = 0, session: str = "U") -> None:
    """A piece of which so much passes before the connection breaks."""
    headers = (("content-length", str(size)), ("content-range", f"bytes {start}-{start + size - 1}/*"))
    request = Request("PUT", "https", HOST, f"{UP}?upload_id={session}", headers)
    judging = case.judge.open(Connection("127.0.0.1", 1), request)
    assert isinstance(await judging.head(), Inspect)
    for at in range(0, len(data), 1 << 16):
        assert isinstance(await judging.piece(data[at : at + (1 << 16)], False), Forward)
    await judging.abandoned("client-gone")


def straddling(at: int, size: int, seed: int = 7) -> bytes:
    """Harmless bytes with the protected file laid over an offset, half on each side."""
    data = bytearray(noise(seed, size))
    data[at - 6000 : at + 6000] = SECRET
    return bytes(data)


async def test_harmless_pieces_go_on(gcs: Case) -> None:
    data = noise(5, 3 * GRID + 77)
    assert await begin(gcs)
    for start in range(0, len(data), GRID):
        assert await send(gcs, data[start : start + GRID], start, len(data) if start == 3 * GRID else "*")


async def test_a_piece_is_judged_with_the_one_before(gcs: Case) -> None:
    data = straddling(GRID, 2 * GRID)
    assert await begin(gcs)
    assert await send(gcs, data[:GRID])
    assert not await send(gcs, data[GRID:], GRID, 2 * GRID)


async def test_pieces_are_known_after_a_restart(gcs: Case) -> None:
    data = straddling(GRID, 2 * GRID)
    await begin(gcs)
    assert await send(gcs, data[:GRID])
    gcs.assemblies.close()  # the next use opens the file anew, as another agent would
    assert not await send(gcs, data[GRID:], GRID, 2 * GRID)


async def test_a_gap_may_hold_anything(gcs: Case) -> None:
    await begin(gcs)
    assert await send(gcs, noise(1, GRID))
    assert not await send(gcs, noise(2, GRID), 2 * GRID)
    assert not await send(gcs, noise(3, GRID), GRID, session="another")


async def test_a_sealed_file_passes_in_pieces_and_in_one(gcs: Case) -> None:
    sealed = gcs.seal(noise(8, 2 * GRID + 5000))
    assert await begin(gcs)
    assert await send(gcs, sealed[:GRID])
    assert await send(gcs, sealed[GRID:], GRID, len(sealed))
    assert await gcs.allowed("PUT", f"{UP}?upload_id=V", sealed, host=HOST)


async def test_a_tagged_file_is_refused_in_pieces_and_in_one(gcs: Case) -> None:
    secret = gcs.tag("large", noise(9, 2 * GRID + 5000))
    await begin(gcs)
    assert not await send(gcs, secret[:GRID])
    assert not await gcs.allowed("PUT", f"{UP}?upload_id=V", secret, host=HOST)


async def test_a_status_question_and_a_cancellation_pass(gcs: Case) -> None:
    await begin(gcs)
    assert await gcs.allowed("PUT", f"{UP}?upload_id=U", b"", ("content-range", "bytes */*"), host=HOST)
    assert await send(gcs, noise(1, GRID))
    assert await gcs.allowed("DELETE", f"{UP}?upload_id=U", b"", host=HOST)
    assert not await send(gcs, noise(2, GRID), GRID)  # given up: what lies before is not relied on


# --- what the store kept but a part of ----------------------------------------------------------------------------


@pytest.mark.parametrize("kept", [GRID, 2 * GRID, 3 * GRID])
async def test_after_a_broken_connection_one_goes_on_where_the_store_stopped(gcs: Case, kept: int) -> None:
    data = noise(11, 6 * GRID)
    assert await begin(gcs)
    await broken(gcs, data[: 3 * GRID + 100_000], len(data))
    assert await send(gcs, data[kept:], kept, len(data))


async def test_a_sealed_file_goes_on_after_a_broken_connection(gcs: Case) -> None:
    sealed = gcs.seal(noise(12, 6 * GRID + 900))
    assert await begin(gcs)
    await broken(gcs, sealed[: 3 * GRID + 100_000], len(sealed))
    assert await send(gcs, sealed[2 * GRID :], 2 * GRID, len(sealed))


@pytest.mark.parametrize("kept", [GRID, 2 * GRID])
async def test_content_over_the_place_of_the_break_is_found(gcs: Case, kept: int) -> None:
    data = straddling(kept, 6 * GRID)
    await begin(gcs)
    await broken(gcs, data[:kept] + noise(13, 100_000), len(data))
    assert not await send(gcs, data[kept:], kept, len(data))
    assert "worst_case" not in str(gcs.records()[-1]["content"])


async def test_after_an_answer_that_less_arrived_the_same_bytes_pass_again(gcs: Case) -> None:
    data = noise(14, 6 * GRID)
    await begin(gcs)
    assert await send(gcs, data[: 4 * GRID])
    assert await send(gcs, data[2 * GRID :], 2 * GRID, len(data))


async def test_other_bytes_at_the_same_place_may_be_either(gcs: Case) -> None:
    data, other = noise(15, 6 * GRID), noise(16, 6 * GRID)
    await begin(gcs)
    assert await send(gcs, data[: 4 * GRID])
    assert not await send(gcs, other[2 * GRID :], 2 * GRID, len(data))


async def test_what_begins_between_two_places_where_the_store_stops_is_not_known(gcs: Case) -> None:
    data = noise(17, 4 * GRID)
    await begin(gcs)
    await broken(gcs, data[: 3 * GRID], len(data))
    assert not await send(gcs, data[GRID + 1 :], GRID + 1, len(data))


async def test_what_broke_off_after_a_gap_is_no_bridge(gcs: Case) -> None:
    data = noise(18, 6 * GRID)
    await begin(gcs)
    assert await send(gcs, data[:GRID])
    await broken(gcs, data[2 * GRID : 4 * GRID], 4 * GRID, 2 * GRID)
    assert not await send(gcs, data[3 * GRID :], 3 * GRID, len(data))


async def test_content_over_the_seam_of_what_broke_off_is_found(gcs: Case) -> None:
    data = straddling(GRID, 6 * GRID)
    await begin(gcs)
    assert await send(gcs, data[:GRID])
    await broken(gcs, data[GRID : 4 * GRID], 5 * GRID, GRID)
    assert not await send(gcs, data[3 * GRID :], 3 * GRID, len(data))


# --- what the beginning said --------------------------------------------------------------------------------------


async def test_what_the_beginning_asked_for_holds_for_its_pieces(gcs: Case) -> None:
    """The session's own name is in an answer that nobody reads; the pieces name neither object nor wishes."""
    sealed = gcs.seal(noise(19, GRID))
    beginning = f"{UP}?uploadType=resumable&predefinedAcl=publicRead"
    await gcs.ask("POST", beginning, b'{"name": "k"}', host=HOST)  # remembered, whether it passes or not
    assert not await send(gcs, sealed, 0, len(sealed))
    assert "publicRead" in str(gcs.records()[-1])


async def test_a_session_that_nobody_saw_begin_has_unknown_wishes(gcs: Case) -> None:
    sealed = gcs.seal(noise(20, GRID))
    assert not await send(gcs, sealed, 0, len(sealed))
    assert "not-seen" in str(gcs.records()[-1])


async def test_related_parts_are_judged_by_their_object(gcs: Case) -> None:
    secret, sealed = gcs.tag("large", noise(21, 50_000)), gcs.seal(noise(22, 50_000))
    for media, goes in ((secret, False), (sealed, True), (noise(23, 50_000), True), (SECRET, False)):
        body = b'--x\r\ncontent-type: application/json\r\n\r\n{"name": "k"}\r\n--x\r\ncontent-type: a/b\r\n\r\n'
        body += media + b"\r\n--x--"
        kind = ("content-type", 'multipart/related; boundary="x"')
        for cut in (100, 1 << 16):
            verdict = await gcs.ask("POST", f"{UP}?uploadType=multipart", body, kind, host=HOST, pieces=cut)
            assert isinstance(verdict, Forward if goes else Refuse)


async def test_a_composition_may_hold_anything(gcs: Case) -> None:
    """What its pieces were is not kept together: each may be shorter than what is recognised."""
    document = b'{"sourceObjects": [{"name": "a"}, {"name": "b"}]}'
    assert not await gcs.allowed("POST", "/storage/v1/b/ours-seoul/o/k/compose", document, host=HOST)


async def end(case: Case, size: int | str, session: str = "U") -> bool:
    """Without a body: how far is it, or, with the size of what is there, the end."""
    said = ("content-range", f"bytes */{size}")
    return await case.allowed("PUT", f"{UP}?upload_id={session}", b"", said, host=HOST)


async def test_nothing_goes_on_in_a_session_after_a_refused_piece(gcs: Case) -> None:
    """What was released of the piece may be kept, and then an object be made of it."""
    await begin(gcs)
    assert await send(gcs, noise(202, GRID))
    gcs.tag("recipe", secret := noise(203, 2 * GRID))
    assert not await send(gcs, secret, GRID)
    assert not await end(gcs, 2 * GRID)
    assert not await end(gcs, GRID)
    assert not await send(gcs, noise(204, GRID), GRID)
    assert await end(gcs, "*")  # only asks
    assert await end(gcs, 2 * GRID, session="V")


async def test_a_session_refused_with_its_first_piece_is_refused_on(gcs: Case) -> None:
    gcs.tag("recipe", secret := noise(203, 2 * GRID))
    await begin(gcs)
    assert not await send(gcs, secret)
    assert not await end(gcs, GRID)
    assert not await send(gcs, noise(204, GRID))


async def test_a_sealed_piece_that_was_refused_for_another_reason_may_come_again(gcs: Case) -> None:
    sealed = noise(205, 2 * GRID)
    gcs.tag("recipe", noise(203, 2 * GRID))
    gcs.seal(sealed)
    there = gcs.destinations.known["ours-seoul"]
    await begin(gcs)
    gcs.destinations.known["ours-seoul"] = dataclasses.replace(there, account="999999999999", revision="other")
    assert not await send(gcs, sealed, total=len(sealed))
    gcs.destinations.known["ours-seoul"] = there
    assert await send(gcs, sealed, total=len(sealed))
