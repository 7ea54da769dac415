"""The institution's registry: what stands in it (``entries``), when (``periods``), and what of it one upload needs
(``selection``).
"""

from haechi.domain.registry.entries import (
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
    Person,
    Reach,
    Recipient,
    RegistryData,
    Site,
    TakeOut,
    unlisted,
)
from haechi.domain.registry.evaluation import Count, Evaluation, ReviewEnd, Starts
from haechi.domain.registry.periods import KST, Period, begins, days_since, ends
from haechi.domain.registry.selection import RegistryIndex

__all__ = [
    "ALL",
    "KST",
    "Access",
    "ApprovedKey",
    "Attestation",
    "Authorisation",
    "AuthorisationKind",
    "AuthorisationStatus",
    "CloudAccount",
    "Count",
    "Evaluation",
    "Exemption",
    "Institution",
    "NamedPlace",
    "Order",
    "OrderKind",
    "Period",
    "Person",
    "Reach",
    "Recipient",
    "RegistryData",
    "RegistryIndex",
    "ReviewEnd",
    "Site",
    "Starts",
    "TakeOut",
    "begins",
    "days_since",
    "ends",
    "unlisted",
]
