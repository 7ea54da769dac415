"""Facts about a destination as they are kept: to JSON and back, so that those of a year ago are held against today's.

The form is that of the policy input, with the moment of reading instead of an age. What an older version kept and what
it did not know yet is unknown (``not-kept``), never missing.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping
from typing import Any, Final

from haechi.domain.destination import Destination, EncryptionFacts, KeyFacts, PublicAccess, ReplicaTarget, WaysIn
from haechi.domain.facts import JSON, Known, Unknown

_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
NOT_KEPT: Final = "not-kept"
_SINGLE: Final = (
    "exists", "region", "country", "account", "versioning", "mfa_delete", "object_lock", "logging", "acceleration",
)  # fmt: skip


def form_of(facts: Destination) -> dict[str, JSON]:
    """What is kept. ``asked`` is left out: who wants to know how a fact was learned reads the decision's record."""
    form = facts.as_json(_EPOCH)
    del form["age_seconds"]
    return form | {"read_at": facts.read_at.isoformat() if facts.read_at else None, "revision": facts.revision}


def destination_from(form: Mapping[str, Any]) -> Destination:
    """The inverse of ``form_of``. Raises ``ValueError`` for what is no such form."""
    if not isinstance(form, Mapping) or not isinstance(form.get("provider"), str):
        raise ValueError("facts of a destination name its provider")  # noqa: TRY004 - one error for a bad form
    encryption, public, replicas = _part(form, "encryption"), _part(form, "public"), form.get("replicas", _missing())
    read_at = form.get("read_at")
    return Destination(
        provider=form["provider"],
        container=str(form.get("container", "")),
        encryption=EncryptionFacts(_known(encryption.get("mode", _missing())), _key(encryption.get("key", _missing()))),
        public=PublicAccess(
            _known(public.get("blocked", _missing())),
            {str(name): _known(flag) for name, flag in _part(public, "flags").items()},
            _known(public.get("acl_public", _missing())),
            _known(public.get("policy_public", _missing())),
        ),
        ways=WaysIn(**_each(WaysIn, _part(form, "ways"))),
        replicas=tuple(map(_replica, replicas)) if isinstance(replicas, list) else _known(replicas),
        read_at=dt.datetime.fromisoformat(read_at) if isinstance(read_at, str) else None,
        revision=str(form.get("revision") or ""),
        **{name: _known(form.get(name, _missing())) for name in _SINGLE},
    )


def _missing() -> dict[str, str]:
    return {"unknown": NOT_KEPT}


def _known(value: Any) -> Any:
    """A plain value, or ``Unknown``. Whatever else it is, it is not known."""
    if isinstance(value, Mapping):
        return Unknown(str(value.get("unknown", NOT_KEPT)))
    return value if isinstance(value, str | bool) else Unknown(NOT_KEPT)


def _key(value: Any) -> Known[KeyFacts | None]:
    if value is None:
        return None
    if not isinstance(value, Mapping) or "unknown" in value:
        unknown: Unknown = _known(value)
        return unknown
    return KeyFacts(**_each(KeyFacts, value))


def _each(kind: type[KeyFacts | WaysIn], form: Mapping[str, Any]) -> dict[str, Any]:
    named = (entry.name for entry in dataclasses.fields(kind))
    return {name: _known(form.get(name, _missing())) for name in named}


def _replica(value: Any) -> ReplicaTarget:
    if not isinstance(value, Mapping):
        raise ValueError("a replica is an object")  # noqa: TRY004 - one error for a bad form
    known = {name: _known(value.get(name, _missing())) for name in ("region", "country", "account")}
    return ReplicaTarget(str(value.get("container", "")), **known)


def _part(form: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = form.get(name)
    return part if isinstance(part, Mapping) else {}
