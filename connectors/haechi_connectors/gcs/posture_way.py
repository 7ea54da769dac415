"""The agent's own way to Google's APIs: the SDK's client, made at the first question. Must not know facts."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from haechi.ports.cloud import Way

if TYPE_CHECKING:
    from google.auth.transport.requests import AuthorizedSession
    from google.cloud import storage

STORE: Final = "storage"
KEYS: Final = "cloudkms"
"""How ``Way.endpoints`` names the services."""


class Clients:
    """Makes the SDK's client once and keeps it. Safe from any thread. Raises what the SDK raises for bad settings."""

    def __init__(self, way: Way) -> None:
        self._way = way
        self._lock = threading.Lock()
        self._session: AuthorizedSession | None = None
        self._client: storage.Client | None = None

    @property
    def timeout(self) -> tuple[float, float]:
        """To connect, and to wait for an answer; seconds."""
        return self._way.connect_timeout, self._way.read_timeout

    def store(self) -> storage.Client:
        """The client of Cloud Storage."""
        from google.cloud import storage

        with self._lock:
            session = self._authorised()
            if self._client is None:
                # Named in any case: otherwise a variable of the environment would choose it.
                endpoint = self._way.endpoints.get(STORE) or "https://storage.googleapis.com"
                self._client = storage.Client(
                    project=None,
                    credentials=session.credentials,
                    _http=session,
                    client_options={"api_endpoint": endpoint},
                )
            return self._client

    def key(self, name: str) -> Mapping[str, Any]:
        """A key as Cloud KMS describes it. Raises what requests and google-auth raise."""
        with self._lock:
            session = self._authorised()
        base = self._way.endpoints.get(KEYS) or "https://cloudkms.googleapis.com"
        answer = session.get(f"{base}/v1/{name}", timeout=self.timeout, allow_redirects=False)
        answer.raise_for_status()
        told = answer.json()
        if not isinstance(told, dict):
            raise ValueError("not an object")  # noqa: TRY004 - an answer, not an argument
        return told

    def _authorised(self) -> AuthorizedSession:
        from haechi_connectors.gcs.posture_transport import authorised

        if self._session is None:
            self._session = authorised(self._way)
        return self._session
