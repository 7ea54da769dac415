"""The guard of google-cloud-storage, on the transport adapters of the session that a client sends with.

Loads no SDK: a client that exists has brought it. Must not know policies.
"""

from __future__ import annotations

import sys
from typing import Any, Final

from haechi.ports.guard import Asked


class GcsGuard:
    """Implements ``haechi.ports.guard.Guard``."""

    def knows(self, client: Any) -> bool:
        """A client of the JSON API whose session is one of requests. The one for gRPC is another class."""
        sdk = sys.modules.get("google.cloud.storage.client")
        return sdk is not None and isinstance(client, sdk.Client) and hasattr(client._http, "adapters")

    def put_on(self, client: Any, agent: Asked, *, comply: bool) -> None:
        """See the port."""
        from haechi_connectors.gcs.guarded import put_on

        put_on(client, agent, comply=comply)


GUARD: Final = GcsGuard()
