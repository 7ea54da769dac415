"""From a registry's bytes to ``RegistryData``, with faults that name file, line and field.

Says nothing about signatures: the bytes given here were checked, or are about to be signed.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
from jsonschema.exceptions import ValidationError, best_match

from haechi.domain.errors import HaechiError
from haechi.domain.registry import RegistryData
from haechi.outbound.registry.building import Builder, OddError
from haechi.outbound.registry.form import NUMBERED, REQUIRED, SECTIONS, UNSAID
from haechi.outbound.registry.sources import MalformedError, Written, YamlWritten, written
from haechi.outbound.trust.document import Document, Place

MAX_FAULTS = 20
STEP = 64
"""Entries between two calls of ``pace``: about a millisecond of work."""

Pace = Callable[[], None]


def registry_from(raw: bytes, name: str, pace: Pace = lambda: None, before: RegistryData | None = None) -> RegistryData:
    """The registry in a file's bytes. Raises the first fault of ``check_registry``.

    ``pace`` is called after every millisecond of work or so: where others wait for the interpreter, it may let them.
    ``before`` is a registry that is in memory anyway: entries that say the same are its own, and take no memory twice.
    """
    data, faults = _read(written(raw, name), 1, pace, before)
    if data is None:
        raise faults[0]
    return data


def check_registry(raw: bytes, name: str) -> tuple[RegistryData | None, tuple[HaechiError, ...]]:
    """The registry, or everything that is wrong with it (at most ``MAX_FAULTS``), in the order of lines."""
    try:
        data, faults = _read(written(raw, name), MAX_FAULTS, lambda: None)
    except HaechiError as error:
        return None, (error,)
    return data, tuple(sorted(faults, key=lambda fault: int(str(fault.params["line"]))))


def _read(
    source: Written, limit: int, pace: Pace, before: RegistryData | None = None
) -> tuple[RegistryData | None, list[HaechiError]]:
    if isinstance(source, YamlWritten):
        # The schema's own words where people write by hand. JSON is too large for it, and has the forms alone.
        faults = list(islice(_schema_faults(source.document), limit))
        if faults:
            return None, faults
    reading = _Reading(source, limit, pace, before)
    return reading.all(), reading.faults


class _Reading:
    """One registry on its way in."""

    def __init__(self, source: Written, limit: int, pace: Pace, before: RegistryData | None) -> None:
        self._source, self._limit, self._pace, self._before = source, limit, pace, before
        self._build = Builder()
        self.faults: list[HaechiError] = []

    def all(self) -> RegistryData | None:
        """The registry; None where there is a fault."""
        try:
            head = self._source.head()
            issued = self._build.issued(head.issued_at)
        except MalformedError as error:
            self._fault(error.place, error.cause)
            return None
        except OddError as error:
            self._fault((error.field,), error.cause)
            return None
        try:
            institution = self._build.institution(head.institution)
        except OddError as error:
            self._fault(("institution", error.field), error.cause)
            return None
        lists = {section: self._list(section) for section in SECTIONS}
        return None if self.faults else RegistryData(head.sequence, issued, institution, **lists)

    def _list(self, section: str) -> tuple[Any, ...]:
        made: list[Any] = []
        seen: set[str] | None = set() if section in NUMBERED else None
        known = {one.id: one for one in getattr(self._before, section, ())} if section in NUMBERED else {}
        try:
            for at, entry in enumerate(self._source.entries(section)):
                if len(self.faults) >= self._limit:
                    break
                if at >= SECTIONS[section][1]:
                    self._fault((section,), f"maxItems: {SECTIONS[section][1]}")
                    break
                if at % STEP == STEP - 1:
                    self._pace()
                made += self._entry(section, at, entry, seen, known)
        except MalformedError as error:
            self._fault(error.place, error.cause)
        return tuple(made)

    def _entry(
        self, section: str, at: int, entry: Any, seen: set[str] | None, known: Mapping[str, Any]
    ) -> tuple[Any, ...]:
        """The entry; none where it is faulty."""
        try:
            form = self._source.form(section, entry)
            one = self._build.made[section](form)
            if seen is None:
                return (one,)
            _new(form.id, seen)
            kept = known.get(form.id)
            return (kept if kept == one else one,)
        except MalformedError as error:
            self._fault((section, at, *error.place), error.cause)
        except OddError as error:
            self._fault((section, at, error.field), error.cause)
        return ()

    def _fault(self, place: Place, cause: str) -> None:
        self.faults.append(self._source.fault(place, cause))


def _new(number: str, seen: set[str]) -> None:
    if number in seen:
        raise OddError("id", "id-twice")
    seen.add(number)


@functools.cache
def _validator() -> jsonschema.Draft202012Validator:
    # In the source tree, and where an installation puts the policies.
    for policies in (Path(__file__).resolve().parents[4] / "policies", Path(sys.prefix) / "share/haechi/policies"):
        path = policies / "schema" / "registry-1.json"
        if path.is_file():
            schema: Mapping[str, Any] = msgspec.json.decode(path.read_bytes())
            return jsonschema.Draft202012Validator(schema)
    raise HaechiError("registry.schema-missing")


def _schema_faults(document: Document) -> list[HaechiError]:
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
        unsaid = [name for name in missing if not place and name in REQUIRED]
        if missing == unsaid:
            return (unsaid[0],), UNSAID
        return place, f"required: {', '.join(missing)}"
    return place, _short(error)


def _short(error: ValidationError) -> str:
    if error.validator in ("oneOf", "anyOf"):
        return "one of digests and comprehensive: true" if "digests" in str(error.schema) else "no alternative fits"
    wanted = str(error.validator_value)
    return f"{error.validator}: {wanted}" if len(wanted) <= 120 else str(error.validator)
