"""Amazon S3 and the stores that speak its API, as one cloud."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote, urlsplit

from haechi.domain.facts import Known, Unknown
from haechi.domain.registry import Site
from haechi.domain.upload import Request
from haechi.ports.clock import Clock
from haechi.ports.cloud import Institution, Way

from haechi_connectors.s3.connector import S3Connector
from haechi_connectors.s3.hosts import PROVIDER, Hosts

if TYPE_CHECKING:  # loading the SDK takes a second, and whoever only looks at requests needs none
    from haechi_connectors.s3.buckets import S3Buckets
    from haechi_connectors.s3.posture import S3Posture
    from haechi_connectors.s3.posture_clients import Clients

SCHEME: Final = "s3"
NO_REGION_HOST: Final = "s3.amazonaws.com"
"""The host without a region, to ask the provider where the bucket lies."""


class S3Ask:
    """Implements ``haechi.ports.cloud.Ask``. Each named profile's clients are made once."""

    def __init__(self, way: Way, institution: Institution, clock: Clock) -> None:
        from haechi_connectors.s3.posture_clients import Access, Clients

        named = way.credentials
        file = named.get("credentials_file", "")
        access = Access(
            profile=named.get("profile", ""),
            credentials_file=Path(file) if file else None,
            bundle=way.bundle,
            hosts=way.hosts,
            endpoints=way.endpoints,
            proxy=way.proxy,
            connect_timeout=way.connect_timeout,
            read_timeout=way.read_timeout,
        )
        self._institution, self._clock = institution, clock
        self._of: dict[str, Clients] = {"": Clients(access)}

    def clients(self, profile: str) -> Clients:
        """Those of a profile of the agent's. From any thread: ``setdefault``, not a look and a write."""
        return self._of.setdefault(profile, self._of[""].with_profile(profile))

    def facts(self, access: str = "") -> S3Posture:
        """See ``haechi.ports.cloud.Ask``."""
        from haechi_connectors.s3.posture import S3Posture

        known = self._institution
        return S3Posture(self.clients(access), known.accounts, self._clock, sites=known.sites)

    def lists(self) -> S3Buckets:
        """See ``haechi.ports.cloud.Ask``."""
        from haechi_connectors.s3.buckets import S3Buckets

        return S3Buckets(self.clients, self._institution.accounts, sites=self._institution.sites)


class S3Cloud:
    """Implements ``haechi.ports.cloud.Cloud``."""

    name = "s3"

    def connector(self, sites: Sequence[Site]) -> S3Connector:
        """See ``haechi.ports.cloud.Cloud``."""
        return S3Connector([site for site in sites if site.service == self.name])

    def providers(self, sites: Sequence[Site]) -> frozenset[str]:
        """AWS, and whoever runs a site that speaks its API."""
        return frozenset({PROVIDER, *(site.provider for site in sites if site.service == self.name)})

    def ask(self, way: Way, institution: Institution, clock: Clock) -> S3Ask:
        """See ``haechi.ports.cloud.Cloud``."""
        return S3Ask(way, institution, clock)

    def plain_upload(self, url: str, endpoint: str, size: int) -> Request | None:
        """Of ``s3://bucket/key``; ``endpoint`` names another store's."""
        parts, at = urlsplit(url), urlsplit(endpoint)
        key = url.partition("://")[2].partition("/")[2]
        if parts.scheme != SCHEME or not parts.netloc or not key or (endpoint and at.scheme not in ("http", "https")):
            return None
        target = "/" + quote(key, safe="/~")
        headers = (("content-length", str(size)),)
        if endpoint:
            return Request("PUT", at.scheme, at.netloc.lower(), f"/{parts.netloc}{target}", headers)
        if "." in parts.netloc:  # its certificate would not fit a name with more dots
            return Request("PUT", "https", NO_REGION_HOST, f"/{parts.netloc}{target}", headers)
        return Request("PUT", "https", f"{parts.netloc}.{NO_REGION_HOST}", target, headers)

    def container(self, url: str) -> str | None:
        """Of ``s3://bucket`` and of AWS's own hosts; an access point stands for no bucket that is known here."""
        parts = urlsplit(url)
        if parts.scheme == SCHEME:
            return parts.netloc or None
        host = Hosts().find(parts.netloc) if parts.scheme in ("http", "https") else None
        if host is None or host.service != "s3" or host.alias:
            return None
        return host.bucket or unquote(parts.path.lstrip("/").partition("/")[0]) or None

    def in_region(self, request: Request, region: Known[str]) -> Request:
        """The regional host instead of the one without a region."""
        if isinstance(region, Unknown) or not request.host.endswith(NO_REGION_HOST):
            return request
        return replace(request, host=f"{request.host.removesuffix(NO_REGION_HOST)}s3.{region}.amazonaws.com")


CLOUD: Final = S3Cloud()
