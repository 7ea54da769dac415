"""The entries of an institution's registry: who it is, what it owns, who may act, what was granted, ordered, stated.

Pure: no file, no signature, no clock.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Container, Iterable
from dataclasses import dataclass
from enum import StrEnum

from haechi.domain.facts import JSON
from haechi.domain.registry.periods import ALWAYS, Period
from haechi.domain.upload import Location

ALL = "*"
"""Stands for every technology."""


@dataclass(frozen=True, slots=True)
class Institution:
    """The institution that holds the technology (R02)."""

    name: str
    registration_number: str
    registered_on: dt.date | None = None


@dataclass(frozen=True, slots=True)
class CloudAccount:
    """An account, project or tenant that belongs to the institution."""

    provider: str
    id: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class ApprovedKey:
    """An encryption key at a provider that the institution made and manages (R15, R16)."""

    provider: str
    id: str
    label: str = ""


class Access(StrEnum):
    """From where, and as whom, a person reaches what is stored in Korea (R29). One word, and no nationality: the least
    that the rule needs.
    """

    DOMESTIC = "domestic"
    FOREIGN = "foreign"
    """A foreign person, or one who works from abroad: an export review has to stand behind it."""


@dataclass(frozen=True, slots=True)
class Person:
    """One of the designated personnel (R05, R06). ``access_keys`` are public identifiers of cloud credentials.

    ``review`` is the id of the authorisation or exemption that stands behind foreign access (R29).
    """

    id: str
    name: str
    os_users: tuple[str, ...] = ()
    access_keys: tuple[str, ...] = ()
    pledged_on: dt.date | None = None
    trained_on: dt.date | None = None
    period: Period = ALWAYS
    access: Access = Access.DOMESTIC
    review: str = ""


class AuthorisationKind(StrEnum):
    """Approval for government-funded technology (R24), declaration for other (R25)."""

    APPROVAL = "approval"
    DECLARATION = "declaration"


class AuthorisationStatus(StrEnum):
    """How far the ministry's procedure is. Only ``granted`` authorises anything (R26)."""

    GRANTED = "granted"
    PENDING = "pending"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class NamedPlace:
    """A place that an approval names. What is empty is not restricted."""

    provider: str = ""
    country: str = ""
    region: str = ""
    container: str = ""
    account: str = ""

    def may_be(self, place: Location) -> bool:
        """Whether the location, its replicas or its key could be it. All but the provider are live facts, or concern
        replicas too, so the policy compares them.
        """
        return self.provider in ("", place.provider)

    def as_json(self) -> dict[str, JSON]:
        """The form used in the policy input; null is not restricted."""
        return {
            "provider": self.provider or None,
            "country": self.country or None,
            "region": self.region or None,
            "container": self.container or None,
            "account": self.account or None,
        }


@dataclass(frozen=True, slots=True)
class Reach:
    """Which content, going where, and when, something was granted for.

    ``digests`` (``blake3:<hex>``) bind it to single files; ``comprehensive`` says that it covers many transfers
    (포괄심사 of the ministry, or a standing approval of the institution). One of both is set.
    """

    technologies: frozenset[str]
    destinations: tuple[NamedPlace, ...] = ()
    digests: frozenset[str] = frozenset()
    comprehensive: bool = False
    period: Period = ALWAYS


@dataclass(frozen=True, slots=True)
class Authorisation:
    """An export approval or declaration. ``funding`` is what the procedure was about: government, private, unknown.

    ``submitted_on`` is when the ministry was asked; when its review ends by that is the institution's own count.
    """

    id: str
    kind: AuthorisationKind
    status: AuthorisationStatus
    reach: Reach
    funding: str = "unknown"
    submitted_on: dt.date | None = None


@dataclass(frozen=True, slots=True)
class Exemption:
    """An export that needs no approval or declaration, or a simplified one, on a recorded basis (R27).

    ``basis`` is a code of the institution's list, ``evidence`` where the proof of it lies.
    """

    id: str
    basis: str
    evidence: str
    reach: Reach


@dataclass(frozen=True, slots=True)
class TakeOut:
    """The institution's own approval to take material out (R08). ``persons`` are ids of personnel; none means every
    designated person.
    """

    id: str
    approver: str
    reach: Reach
    persons: frozenset[str] = frozenset()


class OrderKind(StrEnum):
    """What a ministerial order demands (R28). Each blocks while it is in force."""

    SUSPEND = "suspend"
    PROHIBIT = "prohibit"
    RESTORE = "restore"


@dataclass(frozen=True, slots=True)
class Order:
    """An order of the ministry."""

    id: str
    kind: OrderKind
    technologies: frozenset[str]
    period: Period = ALWAYS


@dataclass(frozen=True, slots=True)
class Recipient:
    """A public key that content is sealed to (layer 1, R13), and who holds its identity."""

    id: str
    key: str
    """The age recipient, ``age1…``."""
    owner: str


@dataclass(frozen=True, slots=True)
class Site:
    """A host that the institution named with explicit facts: an S3-compatible store, a mirror, a test stand.

    ``host`` may begin with ``*.`` for virtual-hosted buckets; it carries the port where that is not 443 (or 80).
    ``endpoint`` is the URL at which the agent itself asks for facts.
    """

    host: str
    provider: str
    service: str
    region: str
    country: str
    endpoint: str = ""


@dataclass(frozen=True, slots=True)
class Attestation:
    """A dated statement of a person about what no program can see (what ``policies/clauses.yaml`` calls attested).

    ``provider`` is whom it is about; empty where it is about the institution itself. ``reference`` says where the
    document lies.
    """

    id: str
    subject: str
    provider: str = ""
    stated_on: dt.date | None = None
    reference: str = ""
    period: Period = ALWAYS


@dataclass(frozen=True, slots=True)
class RegistryData:
    """One registry as it was signed. ``sequence`` only grows; ``issued_at`` is aware."""

    sequence: int
    issued_at: dt.datetime
    institution: Institution
    accounts: tuple[CloudAccount, ...] = ()
    keys: tuple[ApprovedKey, ...] = ()
    personnel: tuple[Person, ...] = ()
    takeouts: tuple[TakeOut, ...] = ()
    authorisations: tuple[Authorisation, ...] = ()
    exemptions: tuple[Exemption, ...] = ()
    orders: tuple[Order, ...] = ()
    recipients: tuple[Recipient, ...] = ()
    watched: tuple[Site, ...] = ()
    attestations: tuple[Attestation, ...] = ()


def unlisted(orders: Iterable[Order], listed: Container[str]) -> tuple[tuple[Order, str], ...]:
    """Orders with a technology that ``listed`` does not have: no tag can name it, so they would reach nothing by it."""
    return tuple((one, name) for one in orders for name in sorted(one.technologies - {ALL}) if name not in listed)
