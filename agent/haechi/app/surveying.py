"""What tagged content would meet in the buckets that exist already: each is read live and judged, none is skipped.

Every bucket is asked about twice, as if a designated person uploaded the worst that this machine protects: sealed, and
plain. The same assessor judges as for an upload, so what cannot be read is unknown, and the policies say what follows.
Nothing is uploaded. Must not know: how buckets are listed or read, words of rules but through ``described``.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Final

from haechi.app.assessing import UNDETERMINED, Assessment, Assessor, Circumstances
from haechi.app.checking import request_for
from haechi.app.explaining import described
from haechi.app.lanes import side_by_side
from haechi.app.refusing import RuleWords
from haechi.domain.actor import Actor
from haechi.domain.content import Content, ContentState, Match, MatchHow
from haechi.domain.destination import gaps
from haechi.domain.errors import HaechiError
from haechi.domain.facts import JSON, Unknown, as_json
from haechi.domain.upload import Action
from haechi.ports.buckets import Bucket, BucketLists, Listing
from haechi.ports.cloud import Cloud
from haechi.ports.connector import Connector
from haechi.ports.engine import PolicyEngine
from haechi.words import say

AT_ONCE: Final = 4
"""Buckets that are read at the same time: a dozen questions each, and uploads are asking beside them."""
KEY: Final = "haechi-baseline"

Report = Callable[[Mapping[str, Any], int, int], Awaitable[None]]
"""Told of each bucket as it is judged: the bucket, how many are done, how many there are."""


@dataclass(slots=True)
class SurveyBuckets:
    """The use case. ``assessors`` opens an assessor with a cache of its own, so that no upload's facts are displaced;
    it reads with the credentials of that name, as ``Listing.access`` has it. ``further`` names the credentials that
    the settings give beside the usual ones.

    ``someone`` is whom the uploads are taken for; ``accounts`` the institution's at a provider.
    """

    lists: BucketLists
    assessors: Callable[[str], AbstractAsyncContextManager[Assessor]]
    connectors: Sequence[Connector]
    clouds: Sequence[Cloud]
    engine: PolicyEngine
    rule_words: RuleWords
    someone: Callable[[], Actor]
    accounts: Callable[[str], Sequence[str]]
    technology: Callable[[], str] = lambda: UNDETERMINED.technology
    """A designated one: before anything is tagged, what is found is to be about the bucket."""
    further: Sequence[str] = ()
    _one: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def __call__(self, report: Report, lang: str, further: Sequence[str] = ()) -> dict[str, Any]:
        """Judge every bucket; each goes to ``report``, the answer has the rest. One survey at a time.

        ``further`` names credentials instead of those that the settings name.

        Raises ``HaechiError('baseline.busy')``, and what ``report`` raises.
        """
        if self._one.locked():
            raise HaechiError("baseline.busy")
        async with self._one, AsyncExitStack() as open_ones:
            listings = await self.lists.listed(tuple(further or self.further))
            actor = self.someone()
            every = [(listing, bucket) for listing in listings for bucket in listing.buckets]
            assessors = {
                access: await open_ones.enter_async_context(self.assessors(access))
                for access in dict.fromkeys(listing.access for listing, _ in every)
            }
            await self._all(assessors, actor, every, report, lang)
            return {
                "buckets": len(every),
                "listings": [self._told(listing) for listing in listings],
                "policy": self.engine.revision,
                "mode": self.engine.modes.default.value,
                "as_user": as_json(actor.user),
            }

    async def _all(
        self,
        assessors: Mapping[str, Assessor],
        actor: Actor,
        every: Sequence[tuple[Listing, Bucket]],
        report: Report,
        lang: str,
    ) -> None:
        done, waiting, telling = 0, iter(every), asyncio.Lock()

        async def lane(buckets: Iterator[tuple[Listing, Bucket]]) -> None:
            nonlocal done
            for listing, bucket in buckets:
                told = await self._judged(assessors[listing.access], actor, listing, bucket, lang)
                async with telling:  # one message after another
                    done += 1
                    await report(told, done, len(every))

        await side_by_side(lane(waiting) for _ in range(min(AT_ONCE, len(every))))

    async def _judged(
        self, assessor: Assessor, actor: Actor, listing: Listing, bucket: Bucket, lang: str
    ) -> dict[str, Any]:
        """One bucket: where, whose, what is not known of it, and what would happen to sealed and to plain content."""
        base: dict[str, Any] = {
            "provider": listing.provider,
            "account": as_json(listing.account),
            "access": listing.access or None,
            "container": bucket.name,
            "region": as_json(bucket.region),
        }
        asked = await self._asked(assessor, listing, bucket)
        if asked is None:
            return {**base, "unknown": ["unknown-store"], "sealed": None, "plain": None}
        action, host, scheme = asked
        about = Circumstances(dataclasses.replace(action, access_key=""), actor, scheme, host)
        tags = self._worst(assessor)
        sealed = Content(ContentState.MATCHED, (dataclasses.replace(tags.matches[0], how=MatchHow.SEALED),))
        made = await assessor.assess(about, sealed)
        plain = await assessor.assess(about, tags)
        facts = made.destination
        if facts is not None:
            base |= {"region": as_json(facts.region), "country": as_json(facts.country)}
            base |= {"owner": as_json(facts.account), "exists": as_json(facts.exists)}
        return {
            **base,
            "unknown": sorted(_causes(made.facts)),
            "sealed": self._verdict(made, lang),
            "plain": self._verdict(plain, lang),
        }

    def _worst(self, assessor: Assessor) -> Content:
        """The strictest that this machine protects; before anything is tagged, any technology at its strictest."""
        content = assessor.worst_case()
        if content.matches:
            return content
        tag = dataclasses.replace(UNDETERMINED, technology=self.technology())
        return Content(ContentState.MATCHED, (Match("*", "", (tag,), MatchHow.WORST_CASE),))

    async def _asked(self, assessor: Assessor, listing: Listing, bucket: Bucket) -> tuple[Action, str, str] | None:
        """The plain upload that a tool set to the bucket's region would make; None where no connector knows it."""
        cloud, request = request_for(self.clouds, f"{bucket.url}/{KEY}", listing.endpoint, 0)
        connector = next((one for one in self.connectors if one.claims(request.host)), None)
        if connector is None:
            return None
        action = connector.action(request)
        if not listing.endpoint:
            region = bucket.region
            if isinstance(region, Unknown):
                place, _ = await assessor.places(action)
                region = place.region if place is not None else region
            request = cloud.in_region(request, region)
            action = connector.action(request)
        return action, request.host, request.scheme

    def _verdict(self, made: Assessment, lang: str) -> dict[str, Any]:
        decision = made.decision
        return {
            "effect": decision.effect.value,
            "findings": [
                described(finding.as_json(), self.engine.rules.get(finding.rule), self.rule_words, lang)
                for finding in decision.findings
            ],
            "causes": [
                {"code": cause.code, "message": say(f"cause.{cause.code}", lang, **cause.params)}
                for cause in decision.causes
            ],
        }

    def _told(self, listing: Listing) -> dict[str, JSON]:
        registered = listing.account in self.accounts(listing.provider)
        return {
            "provider": listing.provider,
            "account": as_json(listing.account),
            "access": listing.access or None,
            "endpoint": listing.endpoint,
            "buckets": len(listing.buckets),
            "registered": registered,
            "cause": listing.cause or None,
        }


def _causes(facts: Mapping[str, JSON]) -> frozenset[str]:
    """Why what of the destination is not known."""
    destination = facts.get("destination")
    return gaps(destination.get("facts")) if isinstance(destination, Mapping) else frozenset()
