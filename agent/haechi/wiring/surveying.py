"""The survey of the institution's buckets: with a reader and a cache of its own, so that uploads wait for neither."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from haechi_connectors.clouds import clouds

from haechi.app.assessing import UNDETERMINED, Assessor
from haechi.app.surveying import SurveyBuckets
from haechi.domain.actor import Actor, Certainty
from haechi.domain.facts import Unknown
from haechi.outbound.destinations.cache import CachedDestinations
from haechi.outbound.registry.file import FileRegistry
from haechi.ports.buckets import BucketLists, Listing
from haechi.ports.clock import Clock
from haechi.wiring.ground import Ground
from haechi.wiring.judge import Judging, readers
from haechi.wiring.rules import Rules
from haechi.wiring.stores import Stores


def make_survey(ground: Ground, rules: Rules, stores: Stores, judging: Judging) -> SurveyBuckets:
    """The use case over the same registry, policies and connectors as the judge's."""
    registry = rules.registry
    return SurveyBuckets(
        EveryCloud(tuple(lists for ask in judging.asks.values() if (lists := ask.lists()) is not None)),
        assessors(ground, rules, stores, judging),
        judging.connectors,
        clouds(),
        rules.engine,
        rules.rule_words,
        lambda: designated(registry, ground.clock),
        registry.accounts,
        lambda: next((one.id for one in rules.engine.in_force.catalogue.all()), UNDETERMINED.technology),
        ground.settings.destinations.survey_profiles,
    )


def assessors(
    ground: Ground, rules: Rules, stores: Stores, judging: Judging
) -> Callable[[str], AbstractAsyncContextManager[Assessor]]:
    """Opens an assessor with readers and a cache of its own, which ask with the credentials of that name."""
    registry = rules.registry

    @asynccontextmanager
    async def opened(access: str) -> AsyncIterator[Assessor]:
        facts = {name: ask.facts(access) for name, ask in judging.asks.items()}
        destinations = CachedDestinations(readers(facts, registry.sites), ground.clock, ground.metrics)
        try:
            yield Assessor(rules.engine, destinations, destinations, registry, stores.index, ground.clock, stores.sent)
        finally:
            await destinations.close()
            for reader in facts.values():
                reader.close()

    return opened


class EveryCloud:
    """Implements ``haechi.ports.buckets.BucketLists`` over those of all clouds, which are asked at once."""

    def __init__(self, lists: Sequence[BucketLists]) -> None:
        self._lists = lists

    async def listed(self, further: Sequence[str] = ()) -> tuple[Listing, ...]:
        """See ``haechi.ports.buckets``."""
        found = await asyncio.gather(*(one.listed(further) for one in self._lists))
        return tuple(listing for listings in found for listing in listings)


def designated(registry: FileRegistry, clock: Clock) -> Actor:
    """A person whom the registry names, so that what is found is about the bucket; nobody where it names none."""
    data, now, left_out = registry.data, clock.now(), Unknown("asked-not-uploading")
    people = data.personnel if data else ()
    user = next((person.os_users[0] for person in people if person.os_users and person.period.holds(now)), left_out)
    return Actor(user, left_out, left_out, left_out, left_out, "baseline", Certainty.USER_ONLY)
