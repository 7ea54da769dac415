"""From the form of a registry's entries to the domain's: dates, periods, and values that many entries share.

A hundred thousand entries name a few hundred days, technologies and places: each of those is made once.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from haechi.domain.registry import (
    ALL,
    Access,
    ApprovedKey,
    Attestation,
    Authorisation,
    AuthorisationKind,
    AuthorisationStatus,
    CloudAccount,
    Exemption,
    Institution,
    NamedPlace,
    Order,
    OrderKind,
    Period,
    Person,
    Reach,
    Recipient,
    Site,
    TakeOut,
    begins,
    ends,
)
from haechi.outbound.registry.form import (
    AttestationForm,
    AuthorisationForm,
    ExemptionForm,
    InstitutionForm,
    OrderForm,
    OwnedForm,
    OwnPlaceForm,
    PersonForm,
    PlaceForm,
    RecipientForm,
    SiteForm,
    TakeOutForm,
    TechnologiesOrAll,
)
from haechi.outbound.trust.document import FIRST_YEAR, LAST_YEAR, moment


class OddError(Exception):
    """An entry of the right form that cannot be: which field, and why."""

    def __init__(self, field: str, cause: str) -> None:
        super().__init__(field, cause)
        self.field, self.cause = field, cause


class Builder:
    """Makes the entries of one registry. Raises ``OddError``."""

    def __init__(self) -> None:
        self._instants: dict[str, dt.date | dt.datetime | None] = {}
        self._periods: dict[tuple[str, str], Period] = {}
        self._technologies: dict[TechnologiesOrAll, frozenset[str]] = {}
        self._places: dict[Sequence[PlaceForm | OwnPlaceForm], tuple[NamedPlace, ...]] = {}
        self.made: Mapping[str, Callable[[Any], Any]] = {
            "accounts": self._account,
            "keys": self._key,
            "personnel": self._person,
            "takeouts": self._takeout,
            "authorisations": self._authorisation,
            "exemptions": self._exemption,
            "orders": self._order,
            "recipients": self._recipient,
            "watched": self._site,
            "attestations": self._attestation,
        }
        """By the list's name: from an entry's form to the entry."""

    def issued(self, text: str) -> dt.datetime:
        """When the registry was issued."""
        found = self._moment("issued_at", text)
        if not isinstance(found, dt.datetime):
            raise OddError("issued_at", "not-a-date")
        return found

    def institution(self, form: InstitutionForm) -> Institution:
        """Who it is."""
        return Institution(form.name, form.registration_number, self._day("registered_on", form.registered_on))

    def _account(self, form: OwnedForm) -> CloudAccount:
        return CloudAccount(form.provider, form.id, form.label)

    def _key(self, form: OwnedForm) -> ApprovedKey:
        return ApprovedKey(form.provider, form.id, form.label)

    def _person(self, form: PersonForm) -> Person:
        return Person(
            form.id,
            form.name,
            form.os_users or (),
            form.access_keys or (),
            self._day("pledged_on", form.pledged_on),
            self._day("trained_on", form.trained_on),
            self._period(form.valid_from, form.valid_until),
            Access(form.access),
            form.review,
        )

    def _takeout(self, form: TakeOutForm) -> TakeOut:
        return TakeOut(form.id, form.approver, self._reach(form), frozenset(form.persons or ()))

    def _authorisation(self, form: AuthorisationForm) -> Authorisation:
        return Authorisation(
            form.id,
            AuthorisationKind(form.kind),
            AuthorisationStatus(form.status),
            self._reach(form),
            form.funding,
            self._day("submitted_on", form.submitted_on),
        )

    def _exemption(self, form: ExemptionForm) -> Exemption:
        return Exemption(form.id, form.basis, form.evidence, self._reach(form))

    def _order(self, form: OrderForm) -> Order:
        period = self._period(form.effective_from, form.lifted_at, "effective_from", "lifted_at")
        return Order(form.id, OrderKind(form.kind), self._named(form.technologies), period)

    def _recipient(self, form: RecipientForm) -> Recipient:
        return Recipient(form.id, form.key, form.owner)

    def _site(self, form: SiteForm) -> Site:
        return Site(form.host, form.provider, form.service, form.region, form.country, form.endpoint)

    def _attestation(self, form: AttestationForm) -> Attestation:
        return Attestation(
            form.id,
            form.subject,
            form.provider,
            self._day("stated_on", form.stated_on),
            form.reference,
            self._period(form.valid_from, form.valid_until),
        )

    def _reach(self, form: TakeOutForm | AuthorisationForm | ExemptionForm) -> Reach:
        named: Sequence[PlaceForm | OwnPlaceForm] = form.destinations
        places = self._places.get(named)
        if places is None:
            places = tuple(NamedPlace(p.provider, p.country, p.region, p.container, p.account) for p in named)
            self._places[named] = places
        return Reach(
            self._named(form.technologies),
            places,
            frozenset(form.digests or ()),
            form.comprehensive,
            self._period(form.valid_from, form.valid_until),
        )

    def _named(self, form: TechnologiesOrAll) -> frozenset[str]:
        found = self._technologies.get(form)
        if found is None:
            found = frozenset([ALL] if form == "all" else form)
            self._technologies[form] = found
        return found

    def _period(self, first: str, last: str, from_: str = "valid_from", until: str = "valid_until") -> Period:
        found = self._periods.get((first, last))
        if found is None:
            start, end = self._moment(from_, first), self._moment(until, last)
            found = Period(begins(start) if start else None, ends(end) if end else None)
            if found.start and found.end and found.start >= found.end:
                raise OddError(until, "ends-before-it-begins")
            self._periods[first, last] = found
        return found

    def _moment(self, field: str, text: str) -> dt.date | dt.datetime | None:
        if text in self._instants:
            return self._instants[text]
        found = moment(text) if text else None
        if text and found is None:
            raise OddError(field, "not-a-date")
        if found is not None and not FIRST_YEAR <= found.year <= LAST_YEAR:
            raise OddError(field, f"year: {FIRST_YEAR} to {LAST_YEAR}")
        self._instants[text] = found
        return found

    def _day(self, field: str, text: str) -> dt.date | None:
        found = self._moment(field, text)
        if isinstance(found, dt.datetime):
            raise OddError(field, "not-a-date")
        return found
