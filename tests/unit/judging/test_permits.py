"""Exceptions, break-glass and justifications at work: what they let go, once, and what they do not."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any

import blake3
import pytest
from haechi.app.permitting import KIND, MOST_A_USER, Permits
from haechi.domain.bound import Place
from haechi.domain.errors import HaechiError
from haechi.domain.permit import Permit, PermitKind
from haechi.domain.upload import Request
from haechi.outbound.ledger.permits import SqlitePermitLedger
from haechi.outbound.trust.exceptions import Document, approved
from haechi.ports.judge import Connection, Hold, Inspect, Refuse
from haechi.ports.permits import Armed

from tests.policy.base import OURS
from tests.unit.judging.conftest import HOST, Case, noise

PLAIN = noise(7, 300_000)
DIGEST = f"blake3:{blake3.blake3(PLAIN).hexdigest()}"
HERE = "/ours-seoul/lot.csv"


@pytest.fixture
def plain(case: Case) -> Case:
    """A tagged file that is not sealed: R13, guidance, keeps it from its own perfect bucket."""
    case.tag("lot.csv", PLAIN)
    return case


def exception(case: Case, **said: Any) -> bytes:
    wanted = {"place": HERE.lstrip("/"), "digest": DIGEST, "size": len(PLAIN)}
    return case.approvers.sign(case.approvers.statement(**(wanted | said)))


async def upload(case: Case, target: str = HERE, data: bytes = PLAIN) -> bool:
    return await case.allowed("PUT", target, data)


async def test_an_exception_lets_go_what_it_names_once_and_all_of_it_is_on_record(plain: Case) -> None:
    assert not await upload(plain)
    await plain.permits.arm_document(exception(plain), "kim")
    assert await upload(plain)
    assert not await upload(plain)
    before, let, after = plain.records()
    assert "permit" not in before
    assert (let["decision"]["effect"], let["decision"]["lifted"]) == ("allow", ["r13_layer1"])
    assert [one["rule"] for one in let["decision"]["findings"]] == ["r13_layer1"]
    assert (let["permit"]["approvers"], let["permit"]["number"]) == (["lee", "park"], "2026-17")
    assert after["permits_unfit"] == [{"id": "ex-1", "why": "used"}]
    assert [event["act"] for event in plain.events(KIND)] == ["armed", "used"]


@pytest.mark.parametrize(
    ("target", "data", "why"),
    [
        ("/ours-seoul/other.csv", PLAIN, "other-place"),
        (HERE, noise(8, 300_000), "other-content"),
        (HERE, PLAIN + noise(8, 300_000), "other-content"),
    ],
)
async def test_elsewhere_or_with_other_content_it_lets_nothing_go(
    plain: Case, target: str, data: bytes, why: str
) -> None:
    plain.tag("other.csv", noise(8, 300_000))
    await plain.permits.arm_document(exception(plain), "kim")
    assert not await upload(plain, target, data)
    assert await upload(plain), "it was not spent by what it did not fit"
    assert plain.records()[0]["permits_unfit"] == [{"id": "ex-1", "why": why}]


async def test_it_lifts_only_the_rules_that_it_names(plain: Case) -> None:
    await plain.permits.arm_document(exception(plain, rules=("r10_region",)), "kim")
    assert not await upload(plain)
    assert plain.records()[0]["permits_unfit"] == [{"id": "ex-1", "why": "other-rules"}]


async def test_a_statute_is_nobodys_to_waive(plain: Case) -> None:
    every = tuple(plain.judge.assessor.engine.rules)
    await plain.permits.arm_document(exception(plain, place="abroad/lot.csv", rules=every), "kim")
    await plain.permits.arm_document(plain.approvers.sign(plain.approvers.break_glass(id="bg-1")), "kim")
    assert not await upload(plain, "/abroad/lot.csv")
    assert {one["why"] for one in plain.records()[0]["permits_unfit"]} == {"other-rules"}


async def test_breaking_the_glass_lets_go_for_minutes_and_is_loud(plain: Case) -> None:
    told: list[Permit] = []
    plain.permits.notify = told.append
    await plain.permits.arm_document(plain.approvers.sign(plain.approvers.break_glass()), "kim")
    assert await upload(plain)
    assert await upload(plain, "/ours-seoul/again.csv")
    assert [one.kind for one in told] == [PermitKind.BREAK_GLASS] * 3
    assert [event["act"] for event in plain.events(KIND)] == ["armed", "used", "used"]


async def refused(case: Case, document: bytes, user: str = "kim") -> str:
    with pytest.raises(HaechiError) as raised:
        await case.permits.arm_document(document, user)
    return raised.value.code


Change = Callable[[Case], bytes]


@pytest.mark.parametrize(
    ("code", "document"),
    [
        ("permit.approvals", lambda case: case.approvers.sign(case.approvers.statement(), "lee")),
        ("permit.approvals", lambda case: case.approvers.sign(case.approvers.statement(), "lee", "lee-2")),
        ("permit.approvals", lambda case: case.approvers.sign(case.approvers.statement(), "lee", "lee")),
        ("permit.approvals", lambda case: case.approvers.sign(case.approvers.statement(user="lee"))),
        ("permit.other-agent", lambda case: case.approvers.sign(case.approvers.statement(agent="agent-2"))),
        ("permit.other-user", lambda case: case.approvers.sign(case.approvers.statement(user="choi"))),
        ("trust.signature-wrong", lambda case: exception(case).replace(b"recovery", b"leisurely")),
        ("permit.malformed", lambda case: exception(case)[:-10]),
        ("permit.malformed", lambda case: exception(case, digest="")),
        ("permit.malformed", lambda case: b"[" * 100_000),
    ],
)
async def test_what_is_not_whole_is_refused_and_on_record(plain: Case, code: str, document: Change) -> None:
    assert await refused(plain, document(plain)) == code
    assert not await upload(plain)
    (event,) = plain.events(KIND)
    assert (event["act"], event["why"], event["user"]) == ("refused", code, "kim")


async def test_what_is_over_is_refused(plain: Case) -> None:
    now = plain.approvers.clock.now()
    over = exception(plain, issued_at=now - dt.timedelta(hours=2), expires_at=now - dt.timedelta(seconds=1))
    assert await refused(plain, over) == "permit.expired"
    early = exception(plain, issued_at=now + dt.timedelta(hours=2), expires_at=now + dt.timedelta(hours=3))
    assert await refused(plain, early) == "permit.expired"


async def test_on_a_cloned_machine_nothing_counts_that_is_bound_to_the_agent(plain: Case) -> None:
    await plain.permits.arm_document(exception(plain), "kim")
    await plain.permits.arm_document(plain.approvers.sign(plain.approvers.break_glass(id="bg-1")), "kim")
    plain.permits.void = HaechiError("permit.cloned", file="checkpoint.pem")
    assert await refused(plain, exception(plain, id="ex-2")) == "permit.cloned"
    assert not await upload(plain)


async def test_what_was_used_is_not_taken_up_again(plain: Case) -> None:
    await plain.permits.arm_document(exception(plain), "kim")
    assert await upload(plain)
    assert await refused(plain, exception(plain)) == "permit.used"


async def test_a_key_that_is_revoked_takes_its_exceptions_with_it(plain: Case) -> None:
    await plain.permits.arm_document(exception(plain), "kim")
    plain.approvers.revoked.add("park")
    assert not await upload(plain)


async def test_it_outlives_a_restart_and_an_old_ledger_gives_nothing_back(plain: Case) -> None:
    await plain.permits.arm_document(exception(plain), "kim")
    closed(plain)
    old = {path: path.read_bytes() for path in plain.folder.glob("permits.sqlite*")}

    told: list[Mapping[str, Any]] = []
    restarted = again(plain, told)
    assert [one.id for one in restarted.armed()] == ["ex-1"]
    assert await upload(plain)
    assert [event["act"] for event in told] == ["used"]

    closed(plain)
    for path in plain.folder.glob("permits.sqlite*"):
        path.unlink()
    for path, content in old.items():
        path.write_bytes(content)
    behind = again(plain, told)
    assert behind.behind
    assert told[-1]["act"] == "behind"
    assert not await upload(plain)
    assert await refused(plain, exception(plain)) == "permit.used"


def closed(case: Case) -> None:
    ledger = case.judge.conclude.permits.ledger
    assert isinstance(ledger, SqlitePermitLedger)
    ledger.close()


def again(case: Case, told: list[Mapping[str, Any]]) -> Permits:
    """The permits as another start of the agent has them, asked from now on; ``told`` is the audit."""
    ledger, before = SqlitePermitLedger(case.folder / "permits.sqlite"), case.permits
    fresh = Permits(ledger, before.verifier, Told(told), before.clock, before.metrics, before.new_id)
    fresh.join(tuple(told))
    case.permits = fresh
    case.judge = dataclasses.replace(case.judge, conclude=dataclasses.replace(case.judge.conclude, permits=fresh))
    return fresh


@dataclasses.dataclass
class Told:
    """An audit in a list."""

    events: list[Mapping[str, Any]]

    async def durable(self, event: Mapping[str, Any]) -> None:
        self.events.append(event)

    def soon(self, event: Mapping[str, Any]) -> None:
        self.events.append(event)

    def later(self, event: Mapping[str, Any]) -> bool:
        self.events.append(event)
        return True


async def test_before_ledger_and_audit_are_joined_nothing_goes(plain: Case) -> None:
    await plain.permits.arm_document(exception(plain), "kim")
    plain.permits.ready = False
    assert not await upload(plain)
    assert await refused(plain, exception(plain, id="ex-2")) == "permit.not-ready"


async def pieces(case: Case, data: bytes, target: str = HERE, step: int = 16_384) -> tuple[int, bool]:
    """How many bytes of an upload were released, and whether the data path was told to hold it whole."""
    headers = (*case.headers, ("content-length", str(len(data))))
    judging = case.judge.open(Connection("127.0.0.1", 1), Request("PUT", "https", HOST, target, headers))
    verdict = await judging.head()
    assert isinstance(verdict, Inspect)
    released = 0
    for at in range(0, len(data), step):
        answer = await judging.piece(data[at : at + step], at + step >= len(data))
        if isinstance(answer, Refuse):
            break
        released += len(data[at : at + step])
    return released, verdict.hold is Hold.WHOLE


async def test_nothing_goes_before_the_permit_was_taken_and_a_spent_one_opens_nothing(plain: Case) -> None:
    await plain.permits.arm_document(exception(plain), "kim")
    assert await pieces(plain, PLAIN) == (len(PLAIN), True)
    released, held = await pieces(plain, PLAIN)
    assert held and released < len(PLAIN)
    assert plain.records()[-1]["permits_unfit"] == [{"id": "ex-1", "why": "used"}]


async def test_after_a_spent_exception_another_one_is_good(plain: Case) -> None:
    for name in ("ex-1", "ex-2"):
        await plain.permits.arm_document(exception(plain, id=name), "kim")
        assert await upload(plain)
    assert not await upload(plain)


async def test_a_file_that_only_contains_what_is_protected_goes_by_its_own_digest(plain: Case) -> None:
    around = noise(9, 50_000) + PLAIN + noise(10, 50_000)
    digest = f"blake3:{blake3.blake3(around).hexdigest()}"
    await plain.permits.arm_document(exception(plain, digest=digest, size=len(around)), "kim")
    assert await pieces(plain, around) == (len(around), True)


async def test_two_at_once_are_not_both_let_go(plain: Case) -> None:
    await plain.permits.arm_document(exception(plain), "kim")
    assert sorted(await asyncio.gather(upload(plain), upload(plain))) == [False, True]
    assert [event["act"] for event in plain.events(KIND)] == ["armed", "used"]


async def test_what_was_ended_does_not_come_back(plain: Case) -> None:
    document = exception(plain)
    await plain.permits.arm_document(document, "kim")
    await plain.permits.end("ex-1", None)
    assert not await upload(plain)
    assert await refused(plain, document) == "permit.used"


async def test_what_was_ended_while_it_was_used_does_not_go_on_after_a_crash(plain: Case) -> None:
    """The end is on record, but the ledger did not hear of it."""
    told: list[Mapping[str, Any]] = []
    permits = again(plain, told)
    await permits.arm_document(exception(plain), "kim")
    begin, part = f"{HERE}?uploads", f"{HERE}?partNumber=1&uploadId=U1"
    assert await plain.allowed("POST", begin)
    assert await plain.allowed("PUT", part, PLAIN)
    await permits.audit.durable({**told[-1], "act": "ended", "use": "ended"})
    again(plain, told)
    assert not await plain.allowed("PUT", part, PLAIN)


async def test_the_ledger_alone_is_not_believed(plain: Case) -> None:
    ledger, clock = plain.permits.ledger, plain.approvers.clock
    signed = plain.approvers.sign(plain.approvers.break_glass(id="bg-2"))
    late = clock.now() + dt.timedelta(days=999)
    ledger.arm(Armed(Permit("bg-1", PermitKind.BREAK_GLASS, "kim", late)))
    ledger.arm(Armed(Permit("bg-2", PermitKind.BREAK_GLASS, "kim", late), signed))
    ledger.arm(Armed(Permit("j-1", PermitKind.JUSTIFICATION, "kim", late, frozenset({"r13_layer1"}))))
    plain.permits.join(())
    assert not await upload(plain)


async def test_what_several_uploads_may_use_raises_no_alarm_at_the_next_start(plain: Case) -> None:
    told: list[Mapping[str, Any]] = []
    opened = again(plain, told)
    await opened.arm_document(plain.approvers.sign(plain.approvers.break_glass()), "kim")
    assert await upload(plain)
    restarted = again(plain, told)
    assert not restarted.behind
    assert [one.kind for one in restarted.armed()] == [PermitKind.BREAK_GLASS]
    assert await upload(plain)


async def test_nobody_fills_the_room_of_the_others(plain: Case) -> None:
    for number in range(MOST_A_USER):
        await plain.permits.arm_document(exception(plain, id=f"ex-{number}"), "kim")
    assert await refused(plain, exception(plain, id="ex-more")) == "permit.too-many"
    await plain.permits.arm_document(exception(plain, id="ex-choi", user="choi"), "choi")
    await plain.permits.arm_document(plain.approvers.sign(plain.approvers.break_glass(id="bg-1")), "kim")
    assert await refused(plain, exception(plain, id="ex-1", place="ours-seoul/other")) == "permit.malformed"


async def test_a_reason_that_was_ended_does_not_open_the_way_again(plain: Case) -> None:
    end = plain.approvers.clock.now() + dt.timedelta(minutes=10)
    permit = Permit("why-d0", PermitKind.JUSTIFICATION, "kim", end, number="d0")
    await plain.permits.arm(permit)
    await plain.permits.end("why-d0", "kim")
    with pytest.raises(HaechiError) as raised:
        await plain.permits.arm(permit)
    assert raised.value.code == "permit.over"
    assert plain.permits.armed() == ()


async def test_a_justification_opens_only_what_asks_for_no_more(plain: Case) -> None:
    permit = Permit(
        "j-1",
        PermitKind.JUSTIFICATION,
        "kim",
        plain.approvers.clock.now() + dt.timedelta(minutes=10),
        rules=frozenset({"r13_layer1"}),
        digest=DIGEST,
        place=Place("aws", "", OURS, "ours-seoul", "lot.csv"),
        reason="because it has to be",
    )
    await plain.permits.arm(permit)
    assert not await upload(plain), "R13 blocks: a reason is not enough"
    assert plain.records()[0]["permits_unfit"] == [{"id": "j-1", "why": "other-rules"}]


async def test_one_key_signs_a_request_once(plain: Case) -> None:
    key = plain.approvers.keys["lee"]
    once = approved(Document(plain.approvers.statement()), key)
    with pytest.raises(HaechiError) as raised:
        approved(once, key)
    assert raised.value.code == "permit.approved-before"
