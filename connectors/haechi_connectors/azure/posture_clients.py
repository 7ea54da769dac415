"""The agent's own way to Azure's management API: its credentials, its time-outs, its roots, never its own proxy.

Nothing is taken from the client whose upload is judged, nor from proxy variables of the environment. Must not know
facts and their meaning.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from haechi.ports.cloud import Way

if TYPE_CHECKING:  # loading the SDK takes a second, and is left to the first question
    from azure.core import PipelineClient
    from azure.core.credentials import TokenCredential
    from azure.core.pipeline.transport import RequestsTransport

MANAGEMENT: Final = "https://management.azure.com"
LOGIN: Final = "https://login.microsoftonline.com"
MOST_PAGES: Final = 20
"""Pages of one list that are read; more are not known."""
SECRET_BYTES: Final = 4096


class TooManyPagesError(ValueError):
    """A list that goes on and on is not known whole."""


class Management:
    """Asks the management API. Safe from any thread; made by the first question."""

    def __init__(self, way: Way) -> None:
        self._way = way
        self._client: PipelineClient[Any, Any] | None = None
        self._lock = threading.Lock()

    def get(self, path: str, version: str, **more: str) -> Mapping[str, Any]:
        """One object. Raises what the SDK raises."""
        return self._get(path, {"api-version": version, **more})

    def listed(self, path: str, version: str) -> Mapping[str, Any]:
        """A list, with the entries of all its pages. Raises what the SDK raises, and ``ValueError``."""
        page = self._get(path, {"api-version": version})
        rows = list(page["value"])
        for _ in range(MOST_PAGES):
            link = page.get("nextLink")
            if not link:
                return {"value": rows}
            page = self._get(str(link), {})
            rows += page["value"]
        raise TooManyPagesError(path)

    def _get(self, url: str, query: Mapping[str, str]) -> Mapping[str, Any]:
        from azure.core.rest import HttpRequest

        client, base = self._open(), self._base()
        if not url.startswith("/") and not url.startswith(f"{base}/"):  # the token goes nowhere else
            raise ValueError("next page elsewhere")
        whole = base + url if url.startswith("/") else url
        response = client.send_request(HttpRequest("GET", whole, params=dict(query)))
        response.raise_for_status()
        data = response.json()
        if not isinstance(data, Mapping):
            raise TypeError("not an object")
        return data

    def _base(self) -> str:
        return self._way.endpoints.get("management", MANAGEMENT).rstrip("/")

    def _open(self) -> PipelineClient[Any, Any]:
        from azure.core import PipelineClient
        from azure.core.pipeline.policies import BearerTokenCredentialPolicy, RetryPolicy

        with self._lock:
            if self._client is None:
                base = self._base()
                policies = [
                    RetryPolicy(retry_total=1, retry_backoff_max=1, timeout=10),
                    BearerTokenCredentialPolicy(self._credential(), f"{MANAGEMENT}/.default"),
                ]
                self._client = PipelineClient(base, policies=policies, transport=self._transport())
            return self._client

    def _transport(self) -> RequestsTransport:
        from azure.core.pipeline.transport import RequestsTransport

        way = self._way
        proxies = {"http": way.proxy, "https": way.proxy} if way.proxy else {}
        return RequestsTransport(
            connection_timeout=way.connect_timeout,
            read_timeout=way.read_timeout,
            connection_verify=str(way.bundle) if way.bundle else True,
            proxies=proxies,
            use_env_settings=False,
        )

    def _credential(self) -> TokenCredential:
        """A program's own, by certificate or secret, else the machine's identity; never what a person signed in as."""
        from azure.identity import CertificateCredential, ClientSecretCredential, ManagedIdentityCredential

        named = self._way.credentials
        tenant, client = named.get("tenant_id", ""), named.get("client_id", "")
        about: dict[str, Any] = {"transport": self._transport()}
        login = self._way.endpoints.get("login", "")
        if login:
            about |= {"authority": login, "disable_instance_discovery": True}
        if named.get("certificate_file"):
            return CertificateCredential(tenant, client, named["certificate_file"], **about)
        if named.get("client_secret_file"):
            secret = Path(named["client_secret_file"]).read_bytes()[:SECRET_BYTES].decode().strip()
            return ClientSecretCredential(tenant, client, secret, **about)
        return ManagedIdentityCredential(client_id=client or None, transport=about["transport"])
