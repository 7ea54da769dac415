"""The survey of the institution's buckets: with a reader and a cache of its own, so that uploads wait for neither."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from haechi_connectors.s3.buckets import S3Buckets
from haechi_connectors.s3.posture import S3Posture
from haechi_connectors.s3.posture_clients import Clients

from haechi.app.assessing import UNDETERMINED, Assessor
from haechi.app.surveying import SurveyBuckets
from haechi.domain.actor import Actor, Certainty
from haechi.domain.facts import Unknown
from haechi.outbound.destinations.cache import CachedDestinations
from haechi.outbound.registry.file import FileRegistry
from haechi.ports.clock import Clock
from haechi.wiring.ground import Ground
from haechi.wiring.judge import Judging
from haechi.wiring.rules import Rules
from haechi.wiring.stores import Stores


def make_survey(ground: Ground, rules: Rules, stores: Stores, judging: Judging) -> SurveyBuckets:
    """The use case over the same registry, policies and connectors as the judge's."""
    registry = rules.registry

    of_profile: dict[str, Clients] = {"": judging.clients}

    def clients(profile: str) -> Clients:
        # setdefault, not a look and a write: the accounts are listed in threads.
        return of_profile.setdefault(profile, judging.clients.with_profile(profile))

    @asynccontextmanager
    async def assessors(access: str) -> AsyncIterator[Assessor]:
        posture = S3Posture(clients(access), registry.accounts, ground.clock, sites=lambda: registry.sites)
        readers = dict.fromkeys({"aws", *(site.provider for site in registry.sites)}, posture)
        destinations = CachedDestinations(readers, ground.clock, ground.metrics)
        try:
            yield Assessor(rules.engine, destinations, destinations, registry, stores.index, ground.clock, stores.sent)
        finally:
            await destinations.close()
            posture.close()

    return SurveyBuckets(
        S3Buckets(clients, registry.accounts, sites=lambda: registry.sites),
        assessors,
        judging.connectors,
        rules.engine,
        rules.rule_words,
        lambda: designated(registry, ground.clock),
        registry.accounts,
        lambda: next((one.id for one in rules.engine.in_force.catalogue.all()), UNDETERMINED.technology),
        ground.settings.destinations.survey_profiles,
    )


def designated(registry: FileRegistry, clock: Clock) -> Actor:
    """A person whom the registry names, so that what is found is about the bucket; nobody where it names none."""
    data, now, left_out = registry.data, clock.now(), Unknown("asked-not-uploading")
    people = data.personnel if data else ()
    user = next((person.os_users[0] for person in people if person.os_users and person.period.holds(now)), left_out)
    return Actor(user, left_out, left_out, left_out, left_out, "baseline", Certainty.USER_ONLY)
