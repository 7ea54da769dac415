"""The institution's registry: who it is, what it owns, who may act, what the ministry granted or ordered.

Pure: no file, no signature, no clock. ``RegistryData`` is one signed registry; ``RegistryIndex`` picks from it
the few entries that can matter to one upload, in the form that ``policies/schema/input-1.json`` asks for.
Picking never decides: an authorisation that is pending, expired or for another country is handed over as what it
is, and the policy says what follows.

Dates are Korean. A date without a time means the whole day in Korea: ``valid_from`` begins at 00:00 KST and
``valid_until`` lasts until 24:00 KST. The policy input carries the instants.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from haechi.domain.actor import Actor
from haechi.domain.content import Content
from haechi.domain.facts import JSON, Unknown
from haechi.domain.upload import Location

KST = dt.timezone(dt.timedelta(hours=9), "KST")
"""Korea has had no daylight saving time since 1988, so a fixed offset is right for every date that can occur here."""

ALL = "*"
"""Stands for every technology."""


@dataclass(frozen=True, slots=True)
class Period:
    """From an instant (inclusive) until an instant (exclusive), both aware; None is without end on that side."""

    start: dt.datetime | None = None
    end: dt.datetime | None = None

    def holds(self, now: dt.datetime) -> bool:
        """Whether ``now`` lies inside."""
        return (self.start is None or self.start <= now) and (self.end is None or now < self.end)

    def as_json(self) -> dict[str, JSON]:
        """Both ends in UTC, RFC 3339."""
        return {
            "valid_from": _instant(self.start),
            "valid_until": _instant(self.end),
        }


def begins(moment: dt.date | dt.datetime) -> dt.datetime:
    """The first instant of a Korean day, or the instant itself."""
    return moment if isinstance(moment, dt.datetime) else dt.datetime.combine(moment, dt.time(), KST)


def ends(moment: dt.date | dt.datetime) -> dt.datetime:
    """The first instant after a Korean day, or the instant itself."""
    if isinstance(moment, dt.datetime):
        return moment
    return dt.datetime.combine(moment + dt.timedelta(days=1), dt.time(), KST)


def _instant(moment: dt.datetime | None) -> JSON:
    return moment.astimezone(dt.UTC).isoformat() if moment else None


@dataclass(frozen=True, slots=True)
class Institution:
    """The institution that holds the technology (R02)."""

    name: str
    registration_number: str


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


@dataclass(frozen=True, slots=True)
class Person:
    """One of the designated personnel (R05, R06). ``access_keys`` are public identifiers of cloud credentials."""

    id: str
    name: str
    os_users: tuple[str, ...] = ()
    access_keys: tuple[str, ...] = ()
    pledged_on: dt.date | None = None
    trained_on: dt.date | None = None
    period: Period = Period()


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
class AuthorisedPlace:
    """A place that an authorisation names. What is empty is not restricted."""

    provider: str = ""
    country: str = ""
    region: str = ""
    container: str = ""

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
        }


@dataclass(frozen=True, slots=True)
class Authorisation:
    """An export approval or declaration.

    ``digests`` (``blake3:<hex>``) bind it to single files; ``comprehensive`` says that it covers many transfers
    (포괄심사). One of both is set. ``funding`` is what the procedure was about: government, private, unknown.
    """

    id: str
    kind: AuthorisationKind
    status: AuthorisationStatus
    technologies: frozenset[str]
    destinations: tuple[AuthorisedPlace, ...] = ()
    digests: frozenset[str] = frozenset()
    comprehensive: bool = False
    funding: str = "unknown"
    period: Period = Period()


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
    period: Period = Period()


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
    """A provider's dated statement (R12, R17–R19)."""

    id: str
    provider: str
    subject: str
    period: Period = Period()


@dataclass(frozen=True, slots=True)
class RegistryData:
    """One registry as it was signed. ``sequence`` only grows; ``issued_at`` is aware."""

    sequence: int
    issued_at: dt.datetime
    institution: Institution
    accounts: tuple[CloudAccount, ...] = ()
    keys: tuple[ApprovedKey, ...] = ()
    personnel: tuple[Person, ...] = ()
    authorisations: tuple[Authorisation, ...] = ()
    orders: tuple[Order, ...] = ()
    recipients: tuple[Recipient, ...] = ()
    watched: tuple[Site, ...] = ()
    attestations: tuple[Attestation, ...] = ()


class RegistryIndex:
    """A registry prepared for the question that every upload asks. Immutable after construction."""

    def __init__(self, data: RegistryData) -> None:
        self.data = data
        self._by_user: dict[str, list[Person]] = defaultdict(list)
        self._by_access_key: dict[str, list[Person]] = defaultdict(list)
        for person in data.personnel:
            for user in person.os_users:
                self._by_user[user].append(person)
            for key in person.access_keys:
                self._by_access_key[key].append(person)
        self._authorisations: dict[str, list[Authorisation]] = defaultdict(list)
        for authorisation in data.authorisations:
            for technology in authorisation.technologies:
                self._authorisations[technology].append(authorisation)
        self._recipients: list[JSON] = [{"id": r.id, "owner": r.owner} for r in data.recipients]

    def facts(
        self, place: Location | None, actor: Actor, content: Content, now: dt.datetime, access_key: str = ""
    ) -> dict[str, JSON]:
        """The registry's part of the policy input: entries that can matter to this upload, nothing else.

        ``now`` is aware. ``access_key`` is the public identifier of the credential in the request.
        """
        data = self.data
        provider = place.provider if place else None
        about = _About(frozenset(tag.technology for tag in content.tags), content, place, now)
        relevant = self._relevant(about)
        return {
            "sequence": data.sequence,
            "age_seconds": round(max(0.0, (now - data.issued_at).total_seconds()), 3),
            "institution": {
                "name": data.institution.name,
                "registration_number": data.institution.registration_number,
            },
            "accounts": [
                {"provider": a.provider, "id": a.id, "label": a.label}
                for a in data.accounts
                if provider is None or a.provider == provider
            ],
            "keys": [
                {"provider": k.provider, "id": k.id, "label": k.label}
                for k in data.keys
                if provider is None or k.provider == provider
            ],
            "person": self._person(actor, access_key, now),
            "approvals": [about.entry(a) for a in relevant if a.kind is AuthorisationKind.APPROVAL],
            "declarations": [about.entry(a) for a in relevant if a.kind is AuthorisationKind.DECLARATION],
            "orders": [
                {
                    "id": order.id,
                    "kind": order.kind.value,
                    "technologies": about.named(order.technologies),
                    "effective_from": _instant(order.period.start),
                    "lifted_at": _instant(order.period.end),
                }
                for order in data.orders
                if order.period.holds(now) and about.named(order.technologies)
            ],
            "recipients": self._recipients,
            "attestations": [
                {"id": a.id, "subject": a.subject, "in_force": a.period.holds(now), **a.period.as_json()}
                for a in data.attestations
                if a.provider == provider
            ],
        }

    def _person(self, actor: Actor, access_key: str, now: dt.datetime) -> JSON:
        """The designated person who acts; null where it is certain that nobody designated does."""
        by_key = self._by_access_key.get(access_key, ()) if access_key else ()
        by_user = () if isinstance(actor.user, Unknown) else self._by_user.get(actor.user, ())
        found = {person.id: person for person in (*by_user, *by_key) if person.period.holds(now)}
        if not found:
            return {"unknown": f"actor-{actor.user.cause}"} if isinstance(actor.user, Unknown) else None
        if len(found) > 1:
            # One account of two people, or one person's account with another's credential: nobody can say who acts.
            return {"unknown": "person-ambiguous"}
        (person,) = found.values()
        return {
            "id": person.id,
            "by_user": person in by_user,
            "by_access_key": person in by_key,
            "pledged_on": person.pledged_on.isoformat() if person.pledged_on else None,
            "trained_on": person.trained_on.isoformat() if person.trained_on else None,
        }

    def _relevant(self, about: _About) -> tuple[Authorisation, ...]:
        """Authorisations that could cover some of it, ordered by id."""
        found = {
            authorisation.id: authorisation
            for technology in about.technologies
            for authorisation in (*self._authorisations.get(technology, ()), *self._authorisations.get(ALL, ()))
            if about.could_be_covered_by(authorisation)
        }
        return tuple(found[key] for key in sorted(found))


class _About:
    """What an authorisation or order is held against."""

    def __init__(
        self, technologies: frozenset[str], content: Content, place: Location | None, now: dt.datetime
    ) -> None:
        self.technologies = technologies
        self._whole = content.digest
        # A match without its file's digest can be named by no authorisation: its id stands for "not covered".
        self._parts = frozenset(match.digest or match.content_id for match in content.matches)
        self._place = place
        self._now = now

    def named(self, scope: frozenset[str]) -> list[JSON]:
        """Which of the upload's technologies the scope names."""
        return [*sorted(self.technologies if ALL in scope else scope & self.technologies)]

    def could_be_covered_by(self, authorisation: Authorisation) -> bool:
        """By content and place; status, period and country are left to the policy."""
        by_content = authorisation.comprehensive or bool(authorisation.digests & self._digests)
        return by_content and bool(self._destinations(authorisation))

    def entry(self, authorisation: Authorisation) -> Mapping[str, JSON]:
        """The authorisation as the policy input writes it."""
        digests = authorisation.digests
        every_part = bool(self._parts) and self._parts <= digests
        return {
            "id": authorisation.id,
            "kind": authorisation.kind.value,
            "status": authorisation.status.value,
            "in_force": authorisation.period.holds(self._now),
            "technologies": self.named(authorisation.technologies),
            "destinations": self._destinations(authorisation),
            "comprehensive": authorisation.comprehensive,
            "digests": [*sorted(digests & self._digests)],
            "covers_content": authorisation.comprehensive or self._whole in digests or every_part,
            "funding": authorisation.funding,
            **authorisation.period.as_json(),
        }

    @property
    def _digests(self) -> frozenset[str]:
        """By what names an authorisation may have bound this content: its own digest, or what it contains."""
        return self._parts | ({self._whole} if self._whole else set())

    def _destinations(self, authorisation: Authorisation) -> list[JSON]:
        return [
            named.as_json() for named in authorisation.destinations if self._place is None or named.may_be(self._place)
        ]
