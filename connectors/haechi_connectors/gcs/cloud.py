"""Google Cloud Storage as one cloud."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote, urlsplit

from haechi.domain.facts import Known
from haechi.domain.registry import Site
from haechi.domain.upload import Request
from haechi.ports.clock import Clock
from haechi.ports.cloud import Institution, Way

from haechi_connectors.gcs.connector import GcsConnector
from haechi_connectors.gcs.hosts import PROVIDER, find

if TYPE_CHECKING:  # loading the SDK takes a second, and whoever only looks at requests needs none
    from haechi_connectors.gcs.buckets import GcsBuckets
    from haechi_connectors.gcs.posture import GcsPosture

SCHEME: Final = "gs"
JSON_PATH: Final = re.compile(r"/(?:(?:upload|download)/)?storage/v1/b/([^/]+)")
HOST: Final = "storage.googleapis.com"


class GcsAsk:
    """Implements ``haechi.ports.cloud.Ask``, with one set of credentials: projects let it read them."""

    def __init__(self, way: Way, institution: Institution, clock: Clock) -> None:
        from haechi_connectors.gcs.posture_way import Clients

        self._clients, self._institution, self._clock = Clients(way), institution, clock

    def facts(self, access: str = "") -> GcsPosture:
        """See ``haechi.ports.cloud.Ask``."""
        from haechi_connectors.gcs.posture import GcsPosture

        known = self._institution.accounts
        return GcsPosture(self._clients, self._clock, used=lambda: bool(known(PROVIDER)))

    def lists(self) -> GcsBuckets:
        """See ``haechi.ports.cloud.Ask``."""
        from haechi_connectors.gcs.buckets import GcsBuckets

        return GcsBuckets(self._clients, self._institution.accounts)


class GcsCloud:
    """Implements ``haechi.ports.cloud.Cloud``."""

    name = "gcs"

    def connector(self, sites: Sequence[Site]) -> GcsConnector:
        """No other stores speak its API, as far as an institution's sites go."""
        return GcsConnector()

    def providers(self, sites: Sequence[Site]) -> frozenset[str]:
        """Google's cloud."""
        return frozenset({PROVIDER})

    def ask(self, way: Way, institution: Institution, clock: Clock) -> GcsAsk:
        """See ``haechi.ports.cloud.Cloud``."""
        return GcsAsk(way, institution, clock)

    def plain_upload(self, url: str, endpoint: str, size: int) -> Request | None:
        """Of ``gs://bucket/key``; ``endpoint`` names another of the store's, such as a regional one."""
        parts, at = urlsplit(url), urlsplit(endpoint)
        key = url.partition("://")[2].partition("/")[2]
        if parts.scheme != SCHEME or not parts.netloc or not key or (endpoint and at.scheme not in ("http", "https")):
            return None
        target = f"/upload/storage/v1/b/{parts.netloc}/o?uploadType=media&name={quote(key, safe='')}"
        host, scheme = (at.netloc.lower(), at.scheme) if endpoint else (HOST, "https")
        return Request("POST", scheme, host, target, (("content-length", str(size)),))

    def container(self, url: str) -> str | None:
        """Of ``gs://bucket`` and of addresses at either API."""
        parts = urlsplit(url)
        if parts.scheme == SCHEME:
            return parts.netloc or None
        host = find(parts.netloc) if parts.scheme in ("http", "https") else None
        if host is None:
            return None
        named = JSON_PATH.match(parts.path)
        first = named[1] if named else parts.path.lstrip("/").partition("/")[0]
        return host.bucket or unquote(first) or None

    def in_region(self, request: Request, region: Known[str]) -> Request:
        """The same: Google's tools go to the endpoint without a region unless somebody names another."""
        return request


CLOUD: Final = GcsCloud()
