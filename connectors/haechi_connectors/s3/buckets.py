"""Lists the buckets that the agent's credentials own, at AWS and at the institution's own sites. Never raises.

ListBuckets answers for one account alone, the asking one's: it is asked once with each of the agent's credentials. A
registered account that none of them belongs to is listed as not listed, never left out. It must
not know what the buckets are for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from haechi.domain.facts import Known, Unknown
from haechi.domain.registry import Site
from haechi.ports.buckets import Bucket, Listing

from haechi_connectors.s3.posture_answers import Answer, ask
from haechi_connectors.s3.posture_clients import Clients
from haechi_connectors.s3.posture_stores import AWS, FIRST_REGION

PAGE: Final = 1000
MOST: Final = 100_000
"""Buckets of one account that are listed; where there are more, the listing says so."""


class S3Buckets:
    """Implements ``haechi.ports.buckets.BucketLists``. ``accounts`` and ``sites`` as ``S3Posture`` takes them.

    ``clients`` gives those of a profile of the agent's; of the empty name, those that it reads destinations with.
    """

    def __init__(
        self,
        clients: Callable[[str], Clients],
        accounts: Callable[[str], Sequence[str]],
        *,
        sites: Callable[[], Sequence[Site]] = lambda: (),
    ) -> None:
        self._clients, self._accounts, self._sites = clients, accounts, sites

    async def listed(self, further: Sequence[str] = ()) -> tuple[Listing, ...]:
        """AWS where the registry names an account there, or names no store; each profile; then each site, once."""
        sites = {endpoint: site for site in self._sites() if (endpoint := _endpoint(site))}
        usual = [""] if self._accounts(AWS) or not sites else []
        profiles = dict.fromkeys((*usual, *further))
        at_aws = await asyncio.gather(*(asyncio.to_thread(self._aws, profile) for profile in profiles))
        at_sites = await asyncio.gather(*(asyncio.to_thread(self._site, *one[::-1]) for one in sites.items()))
        found = (*_once_each(at_aws), *at_sites)
        return (*found, *self._unlisted(found))

    def _aws(self, profile: str) -> Listing:
        identity = ask(lambda: self._clients(profile).of("sts", AWS, FIRST_REGION).get_caller_identity())
        account = identity.data.get("Account") if identity.ok else None
        whose: Known[str] = str(account) if account else identity.unknown
        buckets, _, cause = self._pages(profile, AWS, FIRST_REGION, "")
        return Listing(AWS, whose, buckets, "", cause, profile)

    def _site(self, site: Site, endpoint: str) -> Listing:
        buckets, answer, cause = self._pages("", site.provider, site.region, endpoint)
        owner = answer.data.get("Owner", {}).get("ID")
        whose: Known[str] = str(owner) if owner else Unknown(cause or "owner-not-proven")
        return Listing(site.provider, whose, buckets, endpoint, cause)

    def _pages(self, profile: str, provider: str, region: str, endpoint: str) -> tuple[tuple[Bucket, ...], Answer, str]:
        """Every page; what was listed before a failure, with its cause. Blocks."""
        found: dict[str, Bucket] = {}
        more: dict[str, Any] = {}
        while True:
            answer = ask(partial(self._page, profile, provider, region, endpoint, more))
            if not answer.ok:
                return tuple(found.values()), answer, answer.cause
            before = len(found)
            found.update(
                (bucket.name, bucket) for bucket in map(_bucket, answer.data.get("Buckets") or ()) if bucket.name
            )
            token = answer.data.get("ContinuationToken")
            if not token:
                return tuple(found.values()), answer, ""
            if len(found) >= MOST or len(found) == before or more.get("ContinuationToken") == token:
                return tuple(found.values()), answer, "incomplete-list"
            more = {"ContinuationToken": token}

    def _page(
        self, profile: str, provider: str, region: str, endpoint: str, more: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        client = self._clients(profile).of("s3", provider, region, endpoint)
        page: Mapping[str, Any] = client.list_buckets(MaxBuckets=PAGE, **more)
        return page

    def _unlisted(self, found: Sequence[Listing]) -> list[Listing]:
        """Registered accounts whose list nobody gave."""
        providers = {AWS, *(site.provider for site in self._sites())}
        known = {(one.provider, one.account) for one in found if not isinstance(one.account, Unknown)}
        return [
            Listing(provider, account, cause="other-account")
            for provider in sorted(providers)
            for account in self._accounts(provider)
            if (provider, account) not in known
        ]


def _once_each(found: Sequence[Listing]) -> list[Listing]:
    """One listing an account: the first that is whole, else the first. Those of unknown accounts all stay."""
    of: dict[object, Listing] = {}
    for number, one in enumerate(found):
        key = number if isinstance(one.account, Unknown) else one.account
        if key not in of or (of[key].cause and not one.cause):
            of[key] = one
    return list(of.values())


def _bucket(told: Mapping[str, Any]) -> Bucket:
    region = told.get("BucketRegion")
    name = str(told.get("Name") or "")
    return Bucket(name, str(region) if region else Unknown("not-read"), f"s3://{name}")


def _endpoint(site: Site) -> str:
    """Where a site's buckets can be listed: its own endpoint, else its host."""
    if site.service != "s3":
        return ""
    return site.endpoint or f"https://{site.host.removeprefix('*.')}"
