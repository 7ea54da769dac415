"""What a judgement does where the index or a ledger cannot answer, and where nobody saw what lies at a place."""

from __future__ import annotations

import dataclasses

import pytest
from haechi.app.assessing import Assessor
from haechi.app.standing import State
from haechi.domain.content import Content, ContentState, Match, MatchHow
from haechi.domain.decision import Mode, Modes
from haechi.domain.errors import HaechiError
from haechi.domain.upload import Location, Request
from haechi.outbound.index import SqliteContentIndex
from haechi.ports.judge import Connection, Forward, Hold, Inspect, Refuse

from tests.policy.base import DESTINATION, TAG
from tests.unit.judging.conftest import HOST, Case, noise
from tests.unit.judging.test_unrecorded import under

pytestmark = pytest.mark.asyncio

MONITOR = Modes(Mode.MONITOR)


def opened(case: Case, method: str, target: str, length: int):
    headers = (*case.headers, ("content-length", str(length)))
    return case.judge.open(Connection("127.0.0.1", 1), Request(method, "https", HOST, target, headers))


# --- control documents under modes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("modes", "hold"),
    [
        (Modes(Mode.ENFORCE), Hold.WHOLE),
        (Modes(Mode.MONITOR, {"r09_settings": Mode.ENFORCE}), Hold.WHOLE),
        (Modes(Mode.ENFORCE, {"r09_settings": Mode.MONITOR}), Hold.WHOLE),
        (MONITOR, Hold.PIECES),
    ],
)
async def test_a_control_document_is_held_whole_only_where_something_is_enforced(
    case: Case, modes: Modes, hold: Hold
) -> None:
    under(case, modes)
    assert await opened(case, "PUT", "/ours-seoul?cors", 1000).head() == Inspect(hold)


async def test_a_document_that_passed_piece_by_piece_is_on_record_where_it_breaks_off(case: Case) -> None:
    secret = case.tag("secret", noise(1, 40_000))
    under(case, MONITOR)
    judging = opened(case, "PUT", "/ours-seoul?cors", 50_000)
    await judging.head()
    assert await judging.piece(secret, last=False) == Forward()
    await judging.abandoned("client-closed")
    assert [event["cause"] for event in case.events("broken-off")] == ["client-closed"]


# --- an index that fails ----------------------------------------------------------------------------------------------


def broken(index: SqliteContentIndex) -> bool:
    raise HaechiError("index.locked", path="x")


@pytest.mark.parametrize(("modes", "effect"), [(Modes(Mode.ENFORCE), "block"), (MONITOR, "would_block")])
async def test_an_index_that_cannot_say_whether_it_is_empty_is_a_recorded_cause(
    case: Case, monkeypatch: pytest.MonkeyPatch, modes: Modes, effect: str
) -> None:
    """A request that is not judged, with a body: the first to meet the failure."""
    under(case, modes)
    monkeypatch.setattr(SqliteContentIndex, "empty", property(broken))
    verdict = await case.ask("POST", "/ours-seoul/k?select&select-type=2", b"<SelectObjectContentRequest/>")
    assert isinstance(verdict, Refuse) is (effect == "block")
    (record,) = case.records()
    assert record["decision"]["effect"] == effect
    assert [cause["code"] for cause in record["decision"]["causes"]] == ["index-locked"]


@pytest.mark.parametrize(("modes", "effect"), [(Modes(Mode.ENFORCE), "block"), (MONITOR, "would_block")])
@pytest.mark.parametrize("trailing", [False, True])
async def test_a_failure_at_what_was_recognised_in_mid_body_is_a_recorded_cause(
    case: Case, monkeypatch: pytest.MonkeyPatch, modes: Modes, effect: str, trailing: bool
) -> None:
    secret = case.tag("secret", noise(1, 40_000))
    under(case, modes)
    judging = opened(case, "PUT", "/ours-seoul/a", 80_000)
    assert isinstance(await judging.head(), Inspect)
    if trailing:
        judging._standing.state = State.TRAILING

    async def locked(self: Assessor, *of: object) -> None:
        raise HaechiError("index.locked", path="x")

    monkeypatch.setattr(Assessor, "assess", locked)
    verdict = await judging.piece(secret, last=False)
    assert isinstance(verdict, Refuse) is (effect == "block")
    (record,) = case.records()
    assert record["decision"]["effect"] == effect
    assert [cause["code"] for cause in record["decision"]["causes"]] == ["index-locked"]


# --- objects that nobody saw ------------------------------------------------------------------------------------------


def holding(case: Case, container: str) -> None:
    """A stranger's container, known to hold something tagged under another name."""
    theirs = dataclasses.replace(DESTINATION, container=container, account="999999999999", revision="r5")
    case.destinations.known[container] = theirs
    match = Match("1", "secret", (TAG,), MatchHow.EXACT)
    place = Location("aws", container, "known", endpoint=HOST)
    case.ledger.stored(place, Content(ContentState.MATCHED, (match,)))


async def test_showing_an_object_that_nobody_saw_in_a_place_that_may_hold_something_counts_as_the_worst(
    case: Case,
) -> None:
    case.tag("secret", noise(1, 20_000))
    holding(case, "theirs")
    assert not await case.allowed("PUT", "/theirs/never-seen?acl", b"", ("x-amz-acl", "public-read"))
    assert case.records()[-1]["content"]["state"] == "matched"


async def test_showing_it_to_nobody_stays_allowed(case: Case) -> None:
    """Also where the object was seen clean: the ledger keeps only what is tagged."""
    case.tag("secret", noise(1, 20_000))
    holding(case, "ours-seoul")
    case.destinations.known["ours-seoul"] = DESTINATION
    assert await case.allowed("PUT", "/ours-seoul/clean", noise(2, 20_000))
    assert await case.allowed("PUT", "/ours-seoul/clean?acl", b"", ("x-amz-acl", "private"))
    assert await case.allowed("PUT", "/ours-seoul/never-seen?acl", b"", ("x-amz-acl", "private"))


async def test_where_all_went_sealed_an_object_that_nobody_saw_is_sealed_too(case: Case) -> None:
    """A copy inside a container that holds ciphertext alone is ordinary work; a container with one plain object not."""
    case.tag("secret", noise(1, 20_000))
    case.destinations.known["ours-seoul"] = DESTINATION
    match = Match("1", "secret", (TAG,), MatchHow.SEALED)
    place = Location("aws", "ours-seoul", "known", endpoint=HOST)
    case.ledger.stored(place, Content(ContentState.MATCHED, (match,)))
    copied = ("PUT", "/ours-seoul/copy", b"", ("x-amz-copy-source", "ours-seoul/never-seen"))
    assert await case.allowed(*copied)
    assert case.records()[-1]["content"]["sealed"] is True
    holding(case, "ours-seoul")
    case.destinations.known["ours-seoul"] = DESTINATION
    assert not await case.allowed(*copied)


async def test_a_place_that_holds_nothing_known_is_a_strangers_own_matter(case: Case) -> None:
    case.tag("secret", noise(1, 20_000))
    holding(case, "theirs")
    case.destinations.known["others"] = dataclasses.replace(case.destinations.known["theirs"], container="others")
    assert await case.allowed("PUT", "/others/o?acl", b"", ("x-amz-acl", "public-read"))


@pytest.mark.parametrize("target", ["/theirs/never-seen?acl", "/theirs?acl"])
async def test_a_ledger_outlives_the_index(case: Case, target: str) -> None:
    """Nothing is tagged here any more, or not yet again: what lies there is no cleaner for it."""
    holding(case, "theirs")
    assert not await case.allowed("PUT", target, b"", ("x-amz-acl", "public-read"))
    case.destinations.change("theirs", country="US")
    assert not await case.allowed("PUT", "/abroad/copy", b"", ("x-amz-copy-source", "theirs/never-seen"))
