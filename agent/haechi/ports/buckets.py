"""What containers there are at the institution's providers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from haechi.domain.facts import Known, Unknown


@dataclass(frozen=True, slots=True)
class Bucket:
    """A container by its name; ``region`` as far as the list told it. ``url`` is how its tools write it (``s3://name``)."""

    name: str
    region: Known[str] = field(default_factory=lambda: Unknown("not-read"))
    url: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """The containers of one account at one store. ``endpoint`` is a URL, empty for the provider's own.

    ``account`` is whose list it is. ``cause`` says why the list is missing or not whole; empty where it is.
    ``access`` names the credentials that list and read it, as ``BucketLists.listed`` was given them; empty: the
    agent's usual ones.
    """

    provider: str
    account: Known[str]
    buckets: tuple[Bucket, ...] = ()
    endpoint: str = ""
    cause: str = ""
    access: str = ""


class BucketLists(Protocol):
    """Lists containers with the agent's own credentials: the usual ones, and those it has for further accounts."""

    async def listed(self, further: Sequence[str] = ()) -> tuple[Listing, ...]:
        """One listing for each store that can be asked, one for each of the ``further`` credentials by name (an account
        that was listed already is left out), and one with a cause for each registered account that none of them
        lists. Never raises.
        """
