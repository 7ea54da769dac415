"""OpenStack Swift as one cloud: what a request does is known, and of a container what its address and its site say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from haechi.domain.destination import Destination, KeyFacts
from haechi.domain.facts import Known, Unknown
from haechi.domain.registry import Site
from haechi.domain.upload import Location, Request
from haechi.ports.buckets import BucketLists
from haechi.ports.clock import Clock
from haechi.ports.cloud import Institution, Way

from haechi_connectors.swift.connector import SERVICE, SwiftConnector

NOT_READ: Final = Unknown("not-asked")
"""Nothing asks a Swift store for its settings."""


class SwiftFacts:
    """Implements ``haechi.ports.cloud.Facts`` without asking anybody: tagged content finds the rest unknown."""

    def __init__(self, institution: Institution, clock: Clock) -> None:
        self._institution, self._clock = institution, clock

    async def read(self, place: Location) -> Destination:
        """Region and country as the institution stated them; the account as the address names it."""
        site = next((one for one in self._institution.sites() if one.host == place.store), None)
        nothing = Destination.unread(place.provider, place.container, NOT_READ)
        if site is None or not place.container:
            return nothing
        account = place.container.partition("/")[0]
        country = site.country or NOT_READ
        region = site.region or NOT_READ
        asked = {"account": "address", "region": "site", "country": "site"}
        return replace(nothing, region=region, country=country, account=account, read_at=self._clock.now(), asked=asked)

    async def key(self, place: Location, key_id: str) -> KeyFacts:
        """No key is named in Swift's requests."""
        return KeyFacts(key_id, NOT_READ, NOT_READ, NOT_READ, NOT_READ, NOT_READ, NOT_READ, NOT_READ)

    def warm(self) -> None:
        """Nothing is to be loaded."""

    def close(self) -> None:
        """Nothing is open."""


class SwiftAsk:
    """Implements ``haechi.ports.cloud.Ask``."""

    def __init__(self, institution: Institution, clock: Clock) -> None:
        self._institution, self._clock = institution, clock

    def facts(self, access: str = "") -> SwiftFacts:
        """See ``haechi.ports.cloud.Ask``."""
        return SwiftFacts(self._institution, self._clock)

    def lists(self) -> BucketLists | None:
        """None: nothing lists containers."""
        return None


class SwiftCloud:
    """Implements ``haechi.ports.cloud.Cloud``."""

    name = "swift"

    def connector(self, sites: Sequence[Site]) -> SwiftConnector:
        """See ``haechi.ports.cloud.Cloud``."""
        return SwiftConnector(sites)

    def providers(self, sites: Sequence[Site]) -> frozenset[str]:
        """Whoever runs a site of this API."""
        return frozenset(site.provider for site in sites if site.service == SERVICE)

    def ask(self, way: Way, institution: Institution, clock: Clock) -> SwiftAsk:
        """See ``haechi.ports.cloud.Cloud``."""
        return SwiftAsk(institution, clock)

    def plain_upload(self, url: str, endpoint: str, size: int) -> Request | None:
        """None: no scheme is Swift's alone."""
        return None

    def container(self, url: str) -> str | None:
        """None: as of ``plain_upload``."""
        return None

    def in_region(self, request: Request, region: Known[str]) -> Request:
        """The same: a host is a region."""
        return request


CLOUD: Final = SwiftCloud()
