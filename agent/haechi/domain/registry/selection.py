"""Picks from a registry the few entries that can matter to one upload, in the form of ``policies/schema/input-1.json``.

Picking never decides: an authorisation that is pending, expired or for another country is handed over as what it
is, and the policy says what follows. What can be worked out once is worked out at construction; ``reaching`` says how
the cost is kept from growing with the registry.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import islice

from haechi.domain.actor import Actor
from haechi.domain.content import Content
from haechi.domain.facts import JSON, Unknown
from haechi.domain.registry.entries import (
    ALL,
    Authorisation,
    AuthorisationKind,
    AuthorisationStatus,
    Exemption,
    Order,
    Person,
    Reach,
    RegistryData,
    TakeOut,
)
from haechi.domain.registry.periods import days_since, instant_of
from haechi.domain.registry.reaching import Asked, G, Kind, Reaching
from haechi.domain.registry.statements import Statements
from haechi.domain.tags import PENDING
from haechi.domain.upload import Location

AUTHORISED: Kind[Authorisation] = Kind(
    lambda one: (one.kind, one.funding), stands=lambda one: one.status is AuthorisationStatus.GRANTED
)
EXEMPT: Kind[Exemption] = Kind(lambda one: one.basis)
TAKEN_OUT: Kind[TakeOut] = Kind(lambda one: one.approver, persons=lambda one: one.persons)
MOST_ORDERS = 8
"""Orders told of content whose technology nobody knows: any of them may be about it, and one is enough to stop it."""


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
        self._authorisations: Reaching[Authorisation] = Reaching(data.authorisations, AUTHORISED)
        self._exemptions: Reaching[Exemption] = Reaching(data.exemptions, EXEMPT)
        self._takeouts: Reaching[TakeOut] = Reaching(data.takeouts, TAKEN_OUT)
        reviews = {person.review for person in data.personnel if person.review}
        self._reviewed = {one.id: one for one in data.authorisations if one.id in reviews}
        self._exempt = {one.id: one for one in data.exemptions if one.id in reviews}
        self._orders: dict[str, list[Order]] = defaultdict(list)
        for order in data.orders:
            for technology in order.technologies:
                self._orders[technology].append(order)
        self._accounts = _by_provider(
            (a.provider, {"provider": a.provider, "id": a.id, "label": a.label}) for a in data.accounts
        )
        self._keys = _by_provider(
            (k.provider, {"provider": k.provider, "id": k.id, "label": k.label}) for k in data.keys
        )
        self._recipients: list[JSON] = [{"id": r.id, "owner": r.owner} for r in data.recipients]
        self._statements = Statements(data.attestations)

    def facts(
        self, place: Location | None, actor: Actor, content: Content, now: dt.datetime, access_key: str = ""
    ) -> dict[str, JSON]:
        """The registry's part of the policy input: entries that can matter to this upload, nothing else.

        ``now`` is aware. ``access_key`` is the public identifier of the credential in the request.
        """
        data = self.data
        provider = place.provider if place else None
        about = _About(content, place, now)
        person = self._person(actor, access_key, about)
        who = _id_of(person)
        asked = Asked(about.technologies, about.digests, provider, who, now)
        authorisations = about.there(self._authorisations.about(asked))
        return {
            "sequence": data.sequence,
            "age_seconds": round((now - data.issued_at).total_seconds(), 3),
            "institution": {
                "name": data.institution.name,
                "registration_number": data.institution.registration_number,
            },
            "accounts": self._accounts.get(provider, []),
            "keys": self._keys.get(provider, []),
            "person": person,
            "takeouts": [
                {
                    **about.entry(one.id, one.reach),
                    "approver": one.approver,
                    "covers_person": not one.persons or who in one.persons,
                }
                for one in about.there(self._takeouts.about(asked))
            ],
            "approvals": [_authorised(about, a) for a in authorisations if a.kind is AuthorisationKind.APPROVAL],
            "declarations": [_authorised(about, a) for a in authorisations if a.kind is AuthorisationKind.DECLARATION],
            "exemptions": [
                {**about.entry(one.id, one.reach), "basis": one.basis, "evidence": one.evidence}
                for one in about.there(self._exemptions.about(asked))
            ],
            "orders": [
                {
                    "id": order.id,
                    "kind": order.kind.value,
                    "technologies": about.named(order.technologies) or about.undetermined,
                    "effective_from": instant_of(order.period.start),
                    "lifted_at": instant_of(order.period.end),
                }
                for order in self._ordered(about)
            ],
            "recipients": self._recipients,
            "attestations": self._statements.facts(provider, now),
        }

    def _person(self, actor: Actor, access_key: str, about: _About) -> JSON:
        """The designated person who acts; null where it is certain that nobody designated does."""
        now = about.now
        by_key = self._by_access_key.get(access_key, ()) if access_key else ()
        by_user = () if isinstance(actor.user, Unknown) else self._by_user.get(actor.user, ())
        found = {person.id: person for person in (*by_user, *by_key) if person.period.holds(now)}
        if not found:
            return {"unknown": f"actor-{actor.user.cause}"} if isinstance(actor.user, Unknown) else None
        if len(found) > 1:
            # One account of two people, or one person's account with another's credential: nobody can say who acts.
            return {"unknown": "person-ambiguous"}
        if by_key and not any(person.period.holds(now) for person in by_key):
            # Somebody's credential after their time, in another's hands.
            return {"unknown": "credential-ended"}
        (person,) = found.values()
        return {
            "id": person.id,
            "by_user": person in by_user,
            "by_access_key": person in by_key,
            "pledge_days": days_since(person.pledged_on, now),
            "training_days": days_since(person.trained_on, now),
            "access": person.access.value,
            **self._review(person.review, about),
        }

    def _ordered(self, about: _About) -> list[Order]:
        """Orders in force that name one of the technologies, or all, ordered by id; some of all where the content is of
        a technology that nobody knows. What nothing protected was recognised in is nobody's order's.
        """
        named = (*about.technologies, ALL) if about.recognised else ()
        found = {one.id: one for name in named for one in self._orders.get(name, ()) if one.period.holds(about.now)}
        if about.undetermined and not found:
            in_force = (one for one in self.data.orders if one.period.holds(about.now))
            found = {one.id: one for one in islice(in_force, MOST_ORDERS)}
        return [found[name] for name in sorted(found)]

    def _review(self, number: str, about: _About) -> dict[str, JSON]:
        """Whether the export review of that number is granted or exempt, in force, and about this very content; and on
        which basis an exemption stands, which is for the policy to accept.
        """
        granted, exempt = self._reviewed.get(number), self._exempt.get(number)
        if granted is not None:
            stands = granted.status is AuthorisationStatus.GRANTED and about.reached(granted.reach)
            return {"reviewed": stands, "review_basis": None}
        if exempt is not None:
            return {"reviewed": about.reached(exempt.reach), "review_basis": exempt.basis}
        return {"reviewed": False, "review_basis": None}


class _About:
    """What an entry is held against."""

    def __init__(self, content: Content, place: Location | None, now: dt.datetime) -> None:
        self.technologies = frozenset(tag.technology for tag in content.tags)
        self.recognised = bool(content.matches)
        untagged = any(not match.tags for match in content.matches)
        self.undetermined: list[JSON] = [*sorted(self.technologies & {PENDING}), *(["unknown"] if untagged else [])]
        """What stands for technologies that nobody knows; empty where all are known."""
        self._whole = content.digest
        # A match without its file's digest can be named by no authorisation: its id stands for "not covered".
        self._parts = frozenset(match.digest or match.content_id for match in content.matches)
        self._place = place
        self.now = now

    @property
    def digests(self) -> frozenset[str]:
        """By what names an entry may be bound to this content: its own digest, or what it contains."""
        return self._parts | ({self._whole} if self._whole else set())

    def named(self, scope: frozenset[str]) -> list[JSON]:
        """Which of the upload's technologies the scope names."""
        return [*sorted(self.technologies if ALL in scope else scope & self.technologies)]

    def destinations(self, reach: Reach) -> list[JSON]:
        """The named places that this one could be; status, period and country are left to the policy."""
        return [named.as_json() for named in reach.destinations if self._place is None or named.may_be(self._place)]

    def there(self, found: Iterable[G]) -> list[G]:
        """Those of what was found that name a place which this one could be."""
        return [
            one for one in found if self._place is None or any(d.may_be(self._place) for d in one.reach.destinations)
        ]

    def covers(self, reach: Reach) -> bool:
        """Whether all that was recognised is what an entry is bound to, or the entry is bound to nothing."""
        every_part = bool(self._parts) and self._parts <= reach.digests
        return reach.comprehensive or self._whole in reach.digests or every_part

    def reached(self, reach: Reach) -> bool:
        """Whether an entry is in force for this content and every technology of it, wherever it goes."""
        known = not self.undetermined and bool(self.technologies)
        named = ALL in reach.technologies or self.technologies <= reach.technologies
        return known and named and self.covers(reach) and reach.period.holds(self.now)

    def entry(self, name: str, reach: Reach) -> dict[str, JSON]:
        """What all entries that reach some content have in the policy input."""
        return {
            "id": name,
            "in_force": reach.period.holds(self.now),
            "technologies": self.named(reach.technologies),
            "destinations": self.destinations(reach),
            "comprehensive": reach.comprehensive,
            "digests": [*sorted(reach.digests & self.digests)],
            "covers_content": self.covers(reach),
            **reach.period.as_json(),
        }


def _authorised(about: _About, one: Authorisation) -> Mapping[str, JSON]:
    entry = about.entry(one.id, one.reach)
    return {**entry, "kind": one.kind.value, "status": one.status.value, "funding": one.funding}


def _id_of(person: JSON) -> str | None:
    name = person.get("id") if isinstance(person, Mapping) else None
    return name if isinstance(name, str) else None


def _by_provider(entries: Iterable[tuple[str, dict[str, JSON]]]) -> dict[str | None, list[JSON]]:
    """Lists of facts by provider; all of them where the provider is not known."""
    found: dict[str | None, list[JSON]] = defaultdict(list)
    for provider, entry in entries:
        found[provider].append(entry)
        found[None].append(entry)
    return dict(found)
