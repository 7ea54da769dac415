"""How a data path asks about a connection that it may not end TLS on, and tells how many it let through unseen.

Honest tunnels are never asked about: nothing of them is judged, and their number is all that is known.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

from haechi.ports.judge import Connection


class Doubt(StrEnum):
    """What is wrong with a tunnel."""

    NAMES = "names-disagree"
    """CONNECT named one host, the TLS greeting another."""
    ADDRESS = "address-and-name"
    """CONNECT named an address, the TLS greeting a host out of scope."""
    SPELLING = "name-spelling"
    """The server name is another spelling of a name or of an address."""
    NO_NAME = "no-server-name"
    PROVIDER = "provider-address"
    """The name is out of scope and leads to an address of a provider in scope."""
    RAW = "no-tls"
    """Neither TLS nor HTTP."""

    @property
    def passable(self) -> bool:
        """Whether the data path would know where to: it goes by the server name alone."""
        return self not in (Doubt.NO_NAME, Doubt.RAW)


class Tunnels(Protocol):
    """Judges doubtful tunnels."""

    async def doubtful(self, connection: Connection, doubt: Doubt) -> bool:
        """Whether it may pass all the same. Recorded before it returns, or counted toward a record that stands."""

    def passed(self, count: int) -> None:
        """So many more went through unseen."""

    async def settle(self, *, ending: bool = False) -> None:
        """Record what was only counted, when it is time; called every few seconds, and once at the end."""

    def totals(self) -> dict[str, int]:
        """Since the start: ``passed``, ``refused``, ``observed``."""
