"""A guard's judgement ahead of the data path: the same verdict, and nothing left behind but its record."""

from __future__ import annotations

import dataclasses

import blake3
from haechi.app.ahead import ahead
from haechi.app.guarding import JudgeGuarded
from haechi.domain.upload import Assembly, Location, Request
from haechi.ports.judge import Forward, Inspect

from tests.policy.base import ACTOR
from tests.unit.judging.conftest import AUTH, HOST, Case, noise

PLAIN = noise(7, 300_000)
DIGEST = f"blake3:{blake3.blake3(PLAIN).hexdigest()}"
SEALED = noise(9, 48_000)
PLACE = Location("aws", "ours-seoul", "m", endpoint=HOST)


def before(case: Case) -> Case:
    """The same machine, as a guard's judgement sees it."""
    return dataclasses.replace(case, judge=ahead(case.judge))


async def parts(case: Case, *numbers: int) -> list[bool]:
    cut = [SEALED[at : at + 12_000] for at in range(0, 48_000, 12_000)]
    return [
        await case.allowed("PUT", f"/ours-seoul/m?partNumber={n}&uploadId=u", cut[n - 1])
        for n in numbers or (1, 2, 3, 4)
    ]


COMPLETION = (
    b"<CompleteMultipartUpload>"
    + b"".join(b"<Part><PartNumber>%d</PartNumber><ETag>e</ETag></Part>" % n for n in (1, 2, 3, 4))
    + b"</CompleteMultipartUpload>"
)


async def test_a_permit_is_spent_by_the_data_path_alone(case: Case) -> None:
    case.tag("lot.csv", PLAIN)
    statement = case.approvers.statement(place="ours-seoul/lot.csv", digest=DIGEST, size=len(PLAIN))
    await case.permits.arm_document(case.approvers.sign(statement), "kim")
    for _ in range(2):
        assert await before(case).allowed("PUT", "/ours-seoul/lot.csv", PLAIN)
    assert await case.allowed("PUT", "/ours-seoul/lot.csv", PLAIN)
    assert not await before(case).allowed("PUT", "/ours-seoul/lot.csv", PLAIN)
    assert [event["act"] for event in case.events("permit")] == ["armed", "used"]
    assert [one["decision"]["effect"] for one in case.records()] == ["allow", "allow", "allow", "block"]


async def test_pieces_and_objects_are_remembered_by_the_data_path_alone(case: Case) -> None:
    case.tag("recipe", PLAIN)
    case.seal(SEALED)
    assert await case.allowed("POST", "/ours-seoul/m?uploads")
    assembly = Assembly("u", 1)
    first = before(case)
    assert await parts(first) == [True] * 4
    assert case.assemblies.pieces(PLACE, assembly) == ()
    assert case.ledger.holds(PLACE) is None
    for number in (1, 2, 3, 4):  # as it goes: each part ahead, then on the data path
        assert await parts(first, number) == await parts(case, number) == [True]
    for _ in range(2):
        assert await first.allowed("POST", "/ours-seoul/m?uploadId=u", COMPLETION)
    assert await case.allowed("POST", "/ours-seoul/m?uploadId=u", COMPLETION)
    held = case.ledger.holds(PLACE)
    assert held is not None
    assert held.sealed


async def test_the_union_of_parts_is_judged_ahead_too(case: Case) -> None:
    case.tag("recipe", PLAIN)
    first = before(case)
    verdicts = []
    for number in range(1, 13):
        part = PLAIN[(number - 1) * 4000 : number * 4000]
        target = f"/ours-seoul/m?partNumber={number}&uploadId=u"
        verdicts.append(await first.allowed("PUT", target, part))
        if not verdicts[-1]:
            break
        assert await case.allowed("PUT", target, part)
    assert verdicts[0] and not verdicts[-1]


async def test_giving_an_object_up_is_the_data_paths_to_note(case: Case) -> None:
    case.tag("recipe", PLAIN)
    case.seal(SEALED)
    assert await case.allowed("POST", "/ours-seoul/m?uploads")
    assert await parts(case) == [True] * 4
    assert await before(case).allowed("DELETE", "/ours-seoul/m?uploadId=u", length=False)
    assert await case.allowed("POST", "/ours-seoul/m?uploadId=u", COMPLETION)


async def judged(case: Case, proxy: str) -> bool:
    guarded = JudgeGuarded(case.judge, lambda pid, uid: ACTOR, lambda request, proxy: proxy == "ours")
    head = (("authorization", AUTH), ("content-length", str(len(PLAIN))))
    judging = guarded.open(1, 1, Request("PUT", "https", HOST, "/ours-seoul/lot.csv", head), proxy)
    verdict = await judging.head()
    if isinstance(verdict, Inspect):
        verdict = await judging.piece(PLAIN, True)
    return isinstance(verdict, Forward)


async def test_past_the_data_path_the_guard_keeps_the_books(case: Case) -> None:
    case.tag("lot.csv", PLAIN)
    statement = case.approvers.statement(place="ours-seoul/lot.csv", digest=DIGEST, size=len(PLAIN))
    await case.permits.arm_document(case.approvers.sign(statement), "kim")
    assert await judged(case, "ours")
    assert await judged(case, "another")
    assert not await judged(case, "another")
    assert [one["connection"]["way"] for one in case.records()] == ["guard"] * 3
