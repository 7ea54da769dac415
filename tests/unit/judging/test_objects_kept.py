"""What the ledger keeps of an object that was let through: by whom, by which decision, what was known of its bucket."""

from __future__ import annotations

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
