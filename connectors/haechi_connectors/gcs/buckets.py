"""Lists the buckets of the institution's registered projects. Never raises."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

from haechi.domain.facts import Unknown
from haechi.ports.buckets import Bucket, Listing

from haechi_connectors.gcs.hosts import PROVIDER
from haechi_connectors.gcs.posture_answers import ask
from haechi_connectors.gcs.posture_way import Clients

MOST: Final = 100_000
"""Buckets of one project that are listed; where there are more, the listing says so."""


class GcsBuckets:
    """Implements ``haechi.ports.buckets.BucketLists``: one account can be let read several projects, so that no further
    credentials are needed.
    """

    def __init__(self, clients: Clients, accounts: Callable[[str], Sequence[str]]) -> None:
        self._clients, self._accounts = clients, accounts

    async def listed(self, further: Sequence[str] = ()) -> tuple[Listing, ...]:
        """One listing for each registered project."""
        projects = dict.fromkeys(self._accounts(PROVIDER))
        return tuple(await asyncio.gather(*(asyncio.to_thread(self._listing, project) for project in projects)))

    def _listing(self, project: str) -> Listing:
        answer = ask(lambda: self._names(project))
        buckets: tuple[Bucket, ...] = answer.data if answer.ok else ()
        cause = "incomplete-list" if len(buckets) >= MOST else answer.cause
        return Listing(PROVIDER, project, buckets, "", cause)

    def _names(self, project: str) -> tuple[Bucket, ...]:
        listed = self._clients.store().list_buckets(
            project=project, max_results=MOST, timeout=self._clients.timeout, retry=None
        )
        return tuple(_bucket(one) for one in listed)


def _bucket(told: Any) -> Bucket:
    location = told.location
    return Bucket(told.name, location.lower() if location else Unknown("not-read"), f"gs://{told.name}")
