"""Who holds a connection."""

from __future__ import annotations

from typing import Protocol

from haechi.domain.actor import Actor


class Actors(Protocol):
    """Leads from a client's address to its process. Never raises: what failed is ``Unknown``."""

    def of(self, address: str, port: int) -> Actor:
        """The actor behind a client's TCP address on this machine; remembered for the connection's life."""

    def forget(self, address: str, port: int) -> None:
        """The connection ended; its port may be reused by another process."""
