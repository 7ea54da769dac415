"""The exact form of a registry's entries, as ``policies/schema/registry-1.json`` has it (a test holds both together).

Every registry passes through here, whether it was written as YAML or as JSON. What is no more than form stands here:
types, lengths, patterns, what is needed, what is unknown. Dates and what belongs together are for ``building``.
An empty text stands for a field that was left out; where a field is there, it is never empty.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType

Text = Annotated[str, Meta(min_length=1, max_length=500)]
Label = Annotated[str, Meta(max_length=500)]
Name = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}\Z")]
Country = Annotated[str, Meta(pattern=r"^[A-Z]{2}\Z")]
Technology = Annotated[str, Meta(pattern=r"^[A-Z0-9][A-Z0-9-]{0,39}\Z")]
Digest = Annotated[str, Meta(pattern=r"^blake3:[0-9a-f]{64}\Z")]
_TIME = r"T\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}:\d{2})"
Day = Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")]
Instant = Annotated[str, Meta(pattern=rf"^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}{_TIME}\Z")]
Moment = Annotated[str, Meta(pattern=rf"^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}({_TIME})?\Z")]
Sequence_ = Annotated[int, Meta(ge=1, le=9007199254740991)]
Texts = Annotated[tuple[Text, ...], Meta(min_length=1)]
Technologies = Annotated[tuple[Technology, ...], Meta(min_length=1, max_length=1000)]
TechnologiesOrAll: TypeAlias = Technologies | Literal["all"]
Digests = Annotated[tuple[Digest, ...], Meta(min_length=1, max_length=10000)]


class Form(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """What is asked of every mapping."""


class InstitutionForm(Form, frozen=True, kw_only=True):
    """``institution``"""

    name: Text
    registration_number: Text
    registered_on: Day = ""


class OwnedForm(Form, frozen=True, kw_only=True):
    """``accounts`` and ``keys``"""

    provider: Name
    id: Text
    label: Label = ""


class PersonForm(Form, frozen=True, kw_only=True):
    """``personnel``"""

    id: Text
    name: Text
    access: Literal["domestic", "foreign"]
    os_users: Texts | UnsetType = UNSET
    access_keys: Texts | UnsetType = UNSET
    pledged_on: Day = ""
    trained_on: Day = ""
    review: Text = ""
    valid_from: Moment = ""
    valid_until: Moment = ""

    def __post_init__(self) -> None:
        if self.os_users is UNSET and self.access_keys is UNSET:
            raise ValueError("required: os_users or access_keys")
        _once(self.os_users or ())
        _once(self.access_keys or ())


class PlaceForm(Form, frozen=True, kw_only=True):
    """A place that an export names: a country at least."""

    country: Country
    provider: Name = ""
    account: Text = ""
    region: Text = ""
    container: Text = ""


class OwnPlaceForm(Form, frozen=True, kw_only=True):
    """A place that a take-out names: whose account, at least."""

    provider: Name
    account: Text
    country: Country = ""
    region: Text = ""
    container: Text = ""


class ReachForm(Form, frozen=True, kw_only=True):
    """What take-outs, authorisations and exemptions have in common."""

    id: Text
    valid_from: Moment
    valid_until: Moment
    digests: Digests | UnsetType = UNSET
    comprehensive: bool = False

    def __post_init__(self) -> None:
        if (self.digests is not UNSET) is self.comprehensive:
            raise ValueError("one of digests and comprehensive: true")
        _once(self.digests or ())


class TakeOutForm(ReachForm, frozen=True, kw_only=True):
    """``takeouts``"""

    approver: Text
    technologies: TechnologiesOrAll
    destinations: Annotated[tuple[OwnPlaceForm, ...], Meta(min_length=1, max_length=1000)]
    persons: Annotated[tuple[Text, ...], Meta(min_length=1, max_length=1000)] | UnsetType = UNSET

    def __post_init__(self) -> None:
        super().__post_init__()
        _once(self.technologies)
        _once(self.persons or ())


class ExportForm(ReachForm, frozen=True, kw_only=True):
    """What authorisations and exemptions have in common."""

    technologies: Technologies
    destinations: Annotated[tuple[PlaceForm, ...], Meta(min_length=1, max_length=1000)]

    def __post_init__(self) -> None:
        super().__post_init__()
        _once(self.technologies)


class AuthorisationForm(ExportForm, frozen=True, kw_only=True):
    """``authorisations``"""

    kind: Literal["approval", "declaration"]
    status: Literal["granted", "pending", "expired", "revoked"]
    funding: Literal["government", "private", "unknown"] = "unknown"
    submitted_on: Day = ""


class ExemptionForm(ExportForm, frozen=True, kw_only=True):
    """``exemptions``"""

    basis: Name
    evidence: Text


class OrderForm(Form, frozen=True, kw_only=True):
    """``orders``"""

    id: Text
    kind: Literal["suspend", "prohibit", "restore"]
    technologies: TechnologiesOrAll
    effective_from: Moment = ""
    lifted_at: Moment = ""

    def __post_init__(self) -> None:
        _once(self.technologies)


class RecipientForm(Form, frozen=True, kw_only=True):
    """``recipients``"""

    id: Text
    key: Annotated[str, Meta(pattern=r"^age1[0-9a-z]{1,2000}\Z")]
    owner: Text


class SiteForm(Form, frozen=True, kw_only=True):
    """``watched``"""

    host: Annotated[str, Meta(pattern=r"^(\*\.)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?\Z", max_length=260)]
    provider: Name
    service: Name
    region: Text
    country: Country
    endpoint: Annotated[str, Meta(pattern=r"^https?://[^\s@?#]+\Z", max_length=300)] = ""


class AttestationForm(Form, frozen=True, kw_only=True):
    """``attestations``"""

    id: Text
    subject: Literal[
        "security-rules", "nct-manager", "security-staff", "history-review", "overseas-backup-prevented",
        "operations-personnel-in-korea", "provider-access-off", "provider-access-recorded",
        "deletion-at-contract-end", "responsibilities-divided", "periodic-check", "real-time-monitoring",
        "incident-response", "multi-factor-authentication",
    ]  # fmt: skip
    stated_on: Day
    provider: Name = ""
    reference: Text = ""
    valid_from: Moment = ""
    valid_until: Moment = ""


SECTIONS: Mapping[str, tuple[type[Form], int]] = {
    "accounts": (OwnedForm, 10_000),
    "keys": (OwnedForm, 10_000),
    "personnel": (PersonForm, 50_000),
    "takeouts": (TakeOutForm, 200_000),
    "authorisations": (AuthorisationForm, 200_000),
    "exemptions": (ExemptionForm, 10_000),
    "orders": (OrderForm, 1000),
    "recipients": (RecipientForm, 100),
    "watched": (SiteForm, 1000),
    "attestations": (AttestationForm, 1000),
}
"""Every list of a registry: the form of its entries, and how many there may be."""

REQUIRED = ("orders",)
"""Lists that are there even where they are empty. What stands in all others lets something through, so that without
them less goes; orders stop, and where nobody says anything of them nobody knows whether there are any.
"""
UNSAID = "missing; an empty list says that there are none"
"""Why a list that has to be there is a fault."""

NUMBERED = ("personnel", "takeouts", "authorisations", "exemptions", "orders", "recipients", "attestations")
"""Lists whose entries have an id that no other of the list has."""


def _once(items: Sequence[str] | UnsetType) -> None:
    """Refuse a list that says something twice."""
    if items and items != "all" and len(set(items)) < len(items):
        raise ValueError("something is said twice")
