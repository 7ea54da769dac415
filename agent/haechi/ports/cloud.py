"""One cloud as a whole: what a folder of ``haechi_connectors`` offers, as ``CLOUD`` in its module ``cloud``.

The folder is the whole of it. Whoever needs clouds asks for those that are there (``haechi_connectors.clouds``) and
names none: a new cloud is a new folder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

from haechi.domain.destination import Destination, KeyFacts
from haechi.domain.facts import Known
from haechi.domain.registry import Site
from haechi.domain.upload import Location, Request
from haechi.ports.buckets import BucketLists
from haechi.ports.clock import Clock
from haechi.ports.connector import Connector


@dataclass(frozen=True, slots=True)
class Way:
    """How the agent itself reaches providers: never through its own data path. Times in seconds.

    ``bundle`` is a complete PEM bundle of roots; None: the SDK's own. ``hosts`` maps a host name, or ``*.suffix``, to
    ``address:port`` instead of DNS; name, SNI and signature stay. ``endpoints`` maps ``service.region`` or ``service``
    (``s3.ap-northeast-2``, ``kms``) to a URL to ask instead of the provider's. ``proxy`` is the company's, a URL;
    empty: none. ``credentials`` are the agent's own at this cloud, as its guide names them, never the client's.
    """

    bundle: Path | None = None
    hosts: Mapping[str, str] = field(default_factory=dict)
    endpoints: Mapping[str, str] = field(default_factory=dict)
    proxy: str = ""
    connect_timeout: float = 2.0
    read_timeout: float = 5.0
    credentials: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Institution:
    """What the registry says now of the institution at its providers."""

    accounts: Callable[[str], Sequence[str]]
    """Its accounts (projects, subscriptions) at a provider."""
    sites: Callable[[], Sequence[Site]] = lambda: ()


class Facts(Protocol):
    """Reads facts about containers and keys of one cloud. Never raises but for cancellation."""

    async def read(self, place: Location) -> Destination:
        """Everything that can be learned about the place's container now."""

    async def key(self, place: Location, key_id: str) -> KeyFacts:
        """The facts of a key that a request itself names."""

    def warm(self) -> None:
        """Load what the first question would wait for. Blocks; never raises."""

    def close(self) -> None:
        """Take no more questions."""


NAMELESS: Final = "no-object-name"
"""Why nobody can be asked whether an object is there: what it is called is not known here."""


@runtime_checkable
class Finds(Protocol):
    """What a reader may offer beside ``Facts``; one that does not is asked nothing."""

    async def there(self, place: Location) -> Known[bool]:
        """Whether the container has an object of this key now. Never raises but for cancellation. It asks with rights
        to list: the agent is not to read objects.
        """


@runtime_checkable
class NamesKeys(Protocol):
    """What a reader may offer beside ``Facts``, where a request cannot name a key, but something that stands for it."""

    async def named(self, place: Location, keys: Sequence[str]) -> Sequence[str]:
        """What a request to the place may name (``RequestEncryption.key_id``) to be stored with one of these keys.
        Never raises but for cancellation.
        """


class Ask(Protocol):
    """Asks one cloud with the agent's own credentials there: the usual ones, and those it has for further accounts."""

    def facts(self, access: str = "") -> Facts:
        """A reader of its own; ``access`` names further credentials, as ``ports.buckets.Listing`` has it."""

    def lists(self) -> BucketLists | None:
        """Lists the institution's containers; None where the cloud has no such list."""


class Cloud(Protocol):
    """What is known of one cloud, without I/O but for what ``ask`` opens."""

    @property
    def name(self) -> str:
        """The folder's, and the section of its credentials in the settings."""

    def connector(self, sites: Sequence[Site]) -> Connector:
        """Its wire knowledge, and that of the institution's sites which speak its API."""

    def providers(self, sites: Sequence[Site]) -> frozenset[str]:
        """The providers whose containers it can ask about (``aws``; those of its sites)."""

    def ask(self, way: Way, institution: Institution, clock: Clock) -> Ask | None:
        """Its questions; None where it has none. What the credentials lack is said by the first question."""

    def plain_upload(self, url: str, endpoint: str, size: int) -> Request | None:
        """The request that a plain upload to ``url`` (``s3://bucket/key``) would make, at the provider or at a named
        endpoint of its API; None where the URL is not this cloud's.
        """

    def container(self, url: str) -> str | None:
        """The name by which containers are remembered (``Location.container``) of what ``url`` names: one
        (``s3://bucket``, its address at the provider, whatever stands behind it), or, where they lie in accounts, an
        account: its containers' names begin with that and a slash. None where the URL is not this cloud's.
        """

    def in_region(self, request: Request, region: Known[str]) -> Request:
        """The same as a tool sends it that is set to the container's region."""
