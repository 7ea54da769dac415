"""The guard of azure-storage-blob, on the transport that a client and all that is made from it send with.

Loads no SDK: a client that exists has brought it. Must not know policies.
"""

from __future__ import annotations

import sys
from typing import Any, Final

from haechi.ports.guard import Asked

MODULES: Final = ("azure.storage.blob", "azure.storage.blob.aio")
CLIENTS: Final = ("BlobServiceClient", "ContainerClient", "BlobClient")


class AzureGuard:
    """Implements ``haechi.ports.guard.Guard``."""

    def knows(self, client: Any) -> bool:
        """A client of an account, of a container or of a blob, for asyncio too."""
        found = [sys.modules[name] for name in MODULES if name in sys.modules]
        return any(isinstance(client, getattr(sdk, name)) for sdk in found for name in CLIENTS)

    def put_on(self, client: Any, agent: Asked, *, comply: bool) -> None:
        """See the port."""
        from haechi_connectors.azure.guarded import put_on

        put_on(client, agent, comply=comply)


GUARD: Final = AzureGuard()
