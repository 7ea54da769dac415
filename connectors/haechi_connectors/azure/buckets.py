"""Lists the containers of the registered subscriptions' storage accounts, through the management API. Never raises."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from haechi.ports.buckets import Bucket, Listing

from haechi_connectors.azure import posture_reading as reading
from haechi_connectors.azure.hosts import PROVIDER
from haechi_connectors.azure.posture import STORAGE
from haechi_connectors.azure.posture_answers import Answer, ask
from haechi_connectors.azure.posture_clients import Management
from haechi_connectors.azure.posture_reading import Found

MOST: Final = 100_000
"""Containers of one subscription that are listed; where there are more, the listing says so."""


class AzureContainers:
    """Implements ``haechi.ports.buckets.BucketLists``. ``accounts`` as ``AzurePosture`` takes them."""

    def __init__(self, management: Management, accounts: Callable[[str], Sequence[str]]) -> None:
        self._management, self._accounts = management, accounts

    async def listed(self, further: Sequence[str] = ()) -> tuple[Listing, ...]:
        """One listing a registered subscription. There are no further credentials here."""
        owners = list(self._accounts(PROVIDER))
        return tuple(await asyncio.gather(*(asyncio.to_thread(self._of, owner) for owner in owners)))

    def _of(self, owner: str) -> Listing:
        """Blocks."""
        there = f"/subscriptions/{owner.rpartition('/')[2]}/providers/Microsoft.Storage/storageAccounts"
        accounts = self._ask(there)
        found: list[Bucket] = []
        cause = accounts.cause
        for name, account in sorted(reading.resources(owner, accounts).items()):
            containers = self._ask(f"{account.id}/blobServices/default/containers")
            cause = cause or containers.cause
            found += _buckets(name, account, containers)
            if len(found) > MOST:
                return Listing(PROVIDER, owner, tuple(found[:MOST]), cause="incomplete-list")
        return Listing(PROVIDER, owner, tuple(found), cause=cause)

    def _ask(self, path: str) -> Answer:
        return ask(lambda: self._management.listed(path, STORAGE))


def _buckets(account: str, about: Found, containers: Answer) -> list[Bucket]:
    names = (row.get("name") for row in containers.rows)
    return [
        Bucket(f"{account}/{name}", about.region, f"azure://{account}/{name}")
        for name in names
        if isinstance(name, str) and name
    ]
