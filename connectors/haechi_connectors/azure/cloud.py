"""Azure Blob Storage with Data Lake, as one cloud."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote, urlsplit

from haechi.domain.facts import Known
from haechi.domain.registry import Site
from haechi.domain.upload import Request
from haechi.ports.clock import Clock
from haechi.ports.cloud import Institution, Way

from haechi_connectors.azure.connector import AzureConnector
from haechi_connectors.azure.hosts import PROVIDER, Hosts

if TYPE_CHECKING:  # whoever only looks at requests needs no SDK
    from haechi_connectors.azure.buckets import AzureContainers
    from haechi_connectors.azure.posture import AzurePosture

SCHEME: Final = "azure"
HOST: Final = "blob.core.windows.net"


class AzureAsk:
    """Implements ``haechi.ports.cloud.Ask``. There is one set of credentials, which may read several subscriptions."""

    def __init__(self, way: Way, institution: Institution, clock: Clock) -> None:
        from haechi_connectors.azure.posture_clients import Management

        self._institution, self._clock = institution, clock
        self._management = Management(way)

    def facts(self, access: str = "") -> AzurePosture:
        """See ``haechi.ports.cloud.Ask``."""
        from haechi_connectors.azure.posture import AzurePosture

        known = self._institution
        return AzurePosture(self._management, known.accounts, self._clock, sites=known.sites)

    def lists(self) -> AzureContainers:
        """See ``haechi.ports.cloud.Ask``."""
        from haechi_connectors.azure.buckets import AzureContainers

        return AzureContainers(self._management, self._institution.accounts)


class AzureCloud:
    """Implements ``haechi.ports.cloud.Cloud``."""

    name = "azure"

    def connector(self, sites: Sequence[Site]) -> AzureConnector:
        """See ``haechi.ports.cloud.Cloud``."""
        return AzureConnector(sites)

    def providers(self, sites: Sequence[Site]) -> frozenset[str]:
        """Azure, and whoever runs a site that speaks its API."""
        return frozenset({PROVIDER, *(site.provider for site in sites if site.service == self.name)})

    def ask(self, way: Way, institution: Institution, clock: Clock) -> AzureAsk:
        """See ``haechi.ports.cloud.Cloud``."""
        return AzureAsk(way, institution, clock)

    def plain_upload(self, url: str, endpoint: str, size: int) -> Request | None:
        """Of ``azure://ACCOUNT/CONTAINER/BLOB``, or of a blob's own URL; ``endpoint`` names an emulator's."""
        parts = urlsplit(url)
        headers = (("content-length", str(size)), ("x-ms-blob-type", "BlockBlob"))
        if parts.scheme in ("http", "https") and not endpoint:
            host = Hosts().find(parts.netloc)
            if host is None or host.service != "blob" or parts.query or parts.path.count("/") < 2:
                return None
            return Request("PUT", parts.scheme, parts.netloc.lower(), quote(parts.path, safe="/~%$"), headers)
        container, _, key = url.partition("://")[2].partition("/")[2].partition("/")
        if parts.scheme != SCHEME or not parts.netloc or not container or not key:
            return None
        target = f"/{container}/{quote(key, safe='/~')}"
        if not endpoint:
            return Request("PUT", "https", f"{parts.netloc.lower()}.{HOST}", target, headers)
        at = urlsplit(endpoint)
        if at.scheme not in ("http", "https"):
            return None
        return Request("PUT", at.scheme, at.netloc.lower(), f"/{parts.netloc.lower()}{target}", headers)

    def container(self, url: str) -> str | None:
        """Of ``azure://ACCOUNT/CONTAINER`` and of addresses at Azure; without a container, the account."""
        parts = urlsplit(url)
        container = unquote(parts.path.lstrip("/").partition("/")[0])
        if parts.scheme == SCHEME:
            account = parts.netloc.lower()
        else:
            host = Hosts().find(parts.netloc) if parts.scheme in ("http", "https") else None
            account = host.account if host is not None and host.service in ("blob", "dfs") else ""
        return "/".join(filter(None, (account, container))) if account else None

    def in_region(self, request: Request, region: Known[str]) -> Request:
        """An account has one host, wherever it lies."""
        return request


CLOUD: Final = AzureCloud()
