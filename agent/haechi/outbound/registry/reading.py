"""From the registry's YAML to ``RegistryData``, with faults that name file, line and field.

Says nothing about signatures: the bytes given here were checked, or are about to be signed.
"""

from __future__ import annotations

import datetime as dt
import functools
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
from jsonschema.exceptions import ValidationError, best_match

from haechi.domain.errors import HaechiError
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
    RegistryData,
    Site,
    TakeOut,
    begins,
    ends,
)
from haechi.outbound.trust.document import Document, Place, moment, parse_document

MAX_FAULTS = 20


def registry_from(raw: bytes, name: str) -> RegistryData:
    """The registry in a file's bytes. Raises the first fault of ``check_registry``."""
    document = parse_document(raw, name, "registry")
    for fault in _faults(document):
        raise fault
    return _data(document)


def check_registry(raw: bytes, name: str) -> tuple[RegistryData | None, tuple[HaechiError, ...]]:
    """The registry, or everything that is wrong with it (at most ``MAX_FAULTS``), in the order of lines."""
    try:
        document = parse_document(raw, name, "registry")
        faults = _faults(document)
        return (None, tuple(faults)) if faults else (_data(document), ())
    except HaechiError as error:
        return None, (error,)


@functools.cache
def _validator() -> jsonschema.Draft202012Validator:
    # In the source tree, and where an installation puts the policies.
    for policies in (Path(__file__).resolve().parents[4] / "policies", Path(sys.prefix) / "share/haechi/policies"):
        path = policies / "schema" / "registry-1.json"
        if path.is_file():
            schema: Mapping[str, Any] = msgspec.json.decode(path.read_bytes())
            return jsonschema.Draft202012Validator(schema)
    raise HaechiError("registry.schema-missing")


def _faults(document: Document) -> list[HaechiError]:
    found: list[HaechiError] = []
    for error in _validator().iter_errors(document.data):
        place, cause = _explained(error)
        found.append(document.fault(place, cause))
        if len(found) >= MAX_FAULTS:
            break
    return sorted(found, key=lambda fault: int(str(fault.params["line"])))


def _explained(error: ValidationError) -> tuple[Place, str]:
    """Where a fault lies and why, in the most telling of the alternatives that were tried."""
    if error.validator in ("anyOf", "oneOf") and error.context:
        deeper = best_match(error.context) or error
        if len(deeper.absolute_path) > len(error.absolute_path):
            error = deeper
    place = tuple(error.absolute_path)
    if error.validator == "additionalProperties" and isinstance(error.instance, dict):
        known = error.schema.get("properties", {}) if isinstance(error.schema, Mapping) else {}
        odd = sorted(set(error.instance) - set(known))
        return (*place, *odd[:1]), "unknown-field"
    if error.validator == "required" and isinstance(error.validator_value, list) and isinstance(error.instance, dict):
        missing = [name for name in error.validator_value if name not in error.instance]
        return place, f"required: {', '.join(missing)}"
    return place, _short(error)


def _short(error: ValidationError) -> str:
    if error.validator in ("oneOf", "anyOf"):
        return "one of digests and comprehensive: true" if "digests" in str(error.schema) else "no alternative fits"
    wanted = str(error.validator_value)
    return f"{error.validator}: {wanted}" if len(wanted) <= 120 else str(error.validator)


def _data(document: Document) -> RegistryData:
    data: Mapping[str, Any] = document.data
    issued = moment(data["issued_at"])
    if not isinstance(issued, dt.datetime):
        raise document.fault(("issued_at",), "not-a-date")
    _unique(document, ("personnel", "takeouts", "authorisations", "exemptions", "orders", "recipients", "attestations"))
    return RegistryData(
        sequence=data["sequence"],
        issued_at=issued,
        institution=_institution(document),
        accounts=tuple(CloudAccount(**entry) for entry in data.get("accounts", ())),
        keys=tuple(ApprovedKey(**entry) for entry in data.get("keys", ())),
        personnel=tuple(_person(document, at, entry) for at, entry in enumerate(data.get("personnel", ()))),
        takeouts=tuple(
            TakeOut(
                entry["id"],
                entry["approver"],
                _reach(document, ("takeouts", at), entry),
                frozenset(entry.get("persons", ())),
            )
            for at, entry in enumerate(data.get("takeouts", ()))
        ),
        authorisations=tuple(
            _authorisation(document, at, entry) for at, entry in enumerate(data.get("authorisations", ()))
        ),
        exemptions=tuple(
            Exemption(entry["id"], entry["basis"], entry["evidence"], _reach(document, ("exemptions", at), entry))
            for at, entry in enumerate(data.get("exemptions", ()))
        ),
        orders=tuple(_order(document, at, entry) for at, entry in enumerate(data.get("orders", ()))),
        recipients=tuple(Recipient(**entry) for entry in data.get("recipients", ())),
        watched=tuple(Site(**entry) for entry in data.get("watched", ())),
        attestations=tuple(_attestation(document, at, entry) for at, entry in enumerate(data.get("attestations", ()))),
    )


def _institution(document: Document) -> Institution:
    said: Mapping[str, Any] = document.data["institution"]
    registered = _day(document, ("institution", "registered_on"), said.get("registered_on"))
    return Institution(said["name"], said["registration_number"], registered)


def _attestation(document: Document, at: int, entry: Mapping[str, Any]) -> Attestation:
    where = ("attestations", at)
    return Attestation(
        entry["id"],
        entry["subject"],
        entry.get("provider", ""),
        _day(document, (*where, "stated_on"), entry["stated_on"]),
        entry.get("reference", ""),
        _period(document, where, entry),
    )


def _unique(document: Document, lists: Sequence[str]) -> None:
    for name in lists:
        seen: set[str] = set()
        for at, entry in enumerate(document.data.get(name, ())):
            if entry["id"] in seen:
                raise document.fault((name, at, "id"), "id-twice")
            seen.add(entry["id"])


def _person(document: Document, at: int, entry: Mapping[str, Any]) -> Person:
    where = ("personnel", at)
    return Person(
        entry["id"],
        entry["name"],
        tuple(entry.get("os_users", ())),
        tuple(entry.get("access_keys", ())),
        _day(document, (*where, "pledged_on"), entry.get("pledged_on")),
        _day(document, (*where, "trained_on"), entry.get("trained_on")),
        _period(document, where, entry),
        Access(entry["access"]),
        entry.get("review", ""),
    )


def _authorisation(document: Document, at: int, entry: Mapping[str, Any]) -> Authorisation:
    where = ("authorisations", at)
    return Authorisation(
        entry["id"],
        AuthorisationKind(entry["kind"]),
        AuthorisationStatus(entry["status"]),
        _reach(document, where, entry),
        entry.get("funding", "unknown"),
        _day(document, (*where, "submitted_on"), entry.get("submitted_on")),
    )


def _reach(document: Document, where: Place, entry: Mapping[str, Any]) -> Reach:
    return Reach(
        _technologies(entry["technologies"]),
        tuple(NamedPlace(**place) for place in entry["destinations"]),
        frozenset(entry.get("digests", ())),
        entry.get("comprehensive", False),
        _period(document, where, entry),
    )


def _technologies(named: str | Sequence[str]) -> frozenset[str]:
    return frozenset([ALL]) if named == "all" else frozenset(named)


def _order(document: Document, at: int, entry: Mapping[str, Any]) -> Order:
    period = _period(document, ("orders", at), entry, "effective_from", "lifted_at")
    return Order(entry["id"], OrderKind(entry["kind"]), _technologies(entry["technologies"]), period)


def _period(
    document: Document,
    where: Place,
    entry: Mapping[str, Any],
    first: str = "valid_from",
    last: str = "valid_until",
) -> Period:
    start, end = (_moment(document, (*where, name), entry.get(name)) for name in (first, last))
    period = Period(begins(start) if start else None, ends(end) if end else None)
    if period.start and period.end and period.start >= period.end:
        raise document.fault((*where, last), "ends-before-it-begins")
    return period


def _moment(document: Document, where: Place, value: Any) -> dt.date | dt.datetime | None:
    if value is None:
        return None
    found = moment(value)
    if found is None:
        raise document.fault(where, "not-a-date")
    return found


def _day(document: Document, where: Place, value: Any) -> dt.date | None:
    found = _moment(document, where, value)
    if isinstance(found, dt.datetime):
        raise document.fault(where, "not-a-date")
    return found
