"""What the ledger keeps of an object that was let through: by whom, by which decision, what was known of its bucket."""

from __future__ import annotations

import dataclasses

from haechi.app.concluding import held
from haechi.domain.content import Content, ContentState, Match, MatchHow
from haechi.domain.upload import Assembly
from haechi.ports.objects import START

from tests.policy.base import ACTOR, DESTINATION
from tests.unit.judging.conftest import Case, noise


async def test_an_object_names_the_decision_that_let_it_through(case: Case) -> None:
    sealed = case.seal(noise(3, 40_000))
    assert await case.allowed("PUT", "/ours-seoul/a/recipe.age", sealed)
    (one,) = case.ledger.objects(START, 10)
    (record,) = case.records()
    assert (one.key, one.user, one.decision) == ("a/recipe.age", ACTOR.user, record["id"])
    (holding,) = case.ledger.holdings(("", ""), 10)
    assert holding.facts == DESTINATION, "with all that was known then, for what becomes of it"
    digest = record["content"]["digest"]
    assert digest and case.ledger.objects(START, 10, digests=(digest,)) == (one,)


async def test_what_is_refused_or_harmless_is_no_object(case: Case) -> None:
    secret = case.tag("secret", noise(4, 40_000))
    assert not await case.allowed("PUT", "/ours-seoul/plain", secret)
    assert await case.allowed("PUT", "/ours-seoul/clean", noise(5, 40_000))
    assert case.ledger.objects(START, 10) == () and case.ledger.containers == 0


async def test_the_same_file_stored_again_is_one_file(case: Case) -> None:
    sealed = case.seal(noise(6, 40_000))
    for _ in range(3):
        assert await case.allowed("PUT", "/ours-seoul/again", sealed)
    (one,) = case.ledger.objects(START, 10)
    assert (one.content.size, one.content.digest) == (len(sealed), case.records()[0]["content"]["digest"])
    (match,) = one.content.matches
    assert match.matched_bytes == case.records()[0]["content"]["matches"][0]["matched_bytes"]


async def test_a_copy_onto_itself_does_not_double_it(case: Case) -> None:
    sealed = case.seal(noise(7, 40_000))
    assert await case.allowed("PUT", "/ours-seoul/copied", sealed)
    assert await case.allowed("PUT", "/ours-seoul/copied", b"", ("x-amz-copy-source", "/ours-seoul/copied"))
    (one,) = case.ledger.objects(START, 10)
    assert one.content.size == len(sealed) and one.content.digest


async def test_of_two_files_at_one_key_either_may_lie_there(case: Case) -> None:
    first, second = case.seal(noise(8, 40_000)), case.seal(noise(9, 50_000))
    assert await case.allowed("PUT", "/ours-seoul/either", first)
    assert await case.allowed("PUT", "/ours-seoul/either", second)
    (one,) = case.ledger.objects(START, 10)
    assert (len(one.content.matches), one.content.size, one.content.digest) == (2, None, "")


PIECE = Content(ContentState.MATCHED, (Match("blake3:1", "f", (), MatchHow.SEALED, 300, 900),), 300, "blake3:p")


def test_an_object_that_grows_is_as_long_as_its_end() -> None:
    grows = Assembly("k", grows=True)
    first = held(None, PIECE, dataclasses.replace(grows, part=0))
    assert (first.size, first.digest) == (300, "blake3:p")
    second = held(first, PIECE, dataclasses.replace(grows, part=300))
    assert (second.size, second.digest) == (600, "")
    assert held(second, PIECE, dataclasses.replace(grows, part=300)).size == 600, "sent again"
    assert held(second, PIECE, dataclasses.replace(grows, part=None)).size is None
    assert held(second, PIECE, dataclasses.replace(grows, part=0, scattered=True)).size is None
