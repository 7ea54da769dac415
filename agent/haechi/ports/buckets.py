"""What containers there are at the institution's providers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from haechi.domain.facts import Known, Unknown


@dataclass(frozen=True, slots=True)
class Bucket:
    """A container by its name; ``region`` as far as the list told it."""

    name: str
    region: Known[str] = field(default_factory=lambda: Unknown("not-read"))


@dataclass(frozen=True, slots=True)
class Listing:
    """The containers of one account at one store. ``endpoint`` is a URL, empty for the provider's own.

    ``account`` is whose list it is. ``cause`` says why the list is missing or not whole; empty where it is.
    """

    provider: str
    account: Known[str]
    buckets: tuple[Bucket, ...] = ()
    endpoint: str = ""
    cause: str = ""


class BucketLists(Protocol):
    """Lists containers with the agent's own credentials."""

    async def listed(self) -> tuple[Listing, ...]:
        """One listing for each store that can be asked, and one with a cause for each registered account that the
        agent's credentials do not list. Never raises.
        """
