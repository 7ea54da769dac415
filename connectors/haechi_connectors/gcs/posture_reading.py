"""From answers about a bucket and a key to facts. Pure; what could not be read stays unknown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from haechi.domain.destination import KeyFacts, PublicAccess, ReplicaTarget, WaysIn
from haechi.domain.facts import Known, Unknown

from haechi_connectors.gcs.details import EVERYONE
from haechi_connectors.gcs.hosts import country_of
from haechi_connectors.gcs.posture_answers import Answer

KEY_NAME: Final = re.compile(
    r"projects/([^/]+)/locations/([^/]+)/keyRings/[^/]+/cryptoKeys/[^/]+(?:/cryptoKeyVersions/\d+)?"
)
INVALID: Final = Unknown("invalid-answer")
_NO_SETTING: Final = Unknown("no-setting")
WAYS: Final = WaysIn(sftp=False, nfs=False, local_users=False, plain_http=_NO_SETTING, minimum_tls=_NO_SETTING)
"""A bucket has no way in but the API; Cloud Storage FUSE comes through it too. Which TLS is answered the bucket does
not say (an organisation may restrict it).
"""


def region(location: object, kind: object) -> Known[str]:
    """The region in lower case. A dual- or multi-region is named as it is: it spans places, and no country has it."""
    if not isinstance(location, str) or not location or kind not in ("region", "dual-region", "multi-region"):
        return INVALID
    return location.lower()


def country(location: Known[str], kind: object) -> Known[str]:
    """Only a single region has a country."""
    if isinstance(location, Unknown):
        return location
    return country_of(location) if kind == "region" else Unknown("several-places")


def replicas(
    container: str, kind: object, placed: Sequence[str], account: Known[str]
) -> Known[tuple[ReplicaTarget, ...]]:
    """A region keeps its bytes; a pair keeps them in both places; of a multi-region nobody says where they are."""
    if kind == "region":
        return ()
    if kind == "dual-region" and placed:
        names = [name.lower() for name in placed]
        return tuple(ReplicaTarget(container, name, country_of(name), account) for name in names)
    return Unknown("several-places")


def public_access(prevention: object, uniform: object, entries: Sequence[Answer], policy: Answer) -> PublicAccess:
    """``entries`` are the access lists of the bucket and of its new objects; where access is uniform nobody heeds them.
    Prevention that is *inherited* may be enforced by the organisation, which is not read: it does not count.
    """
    blocked: Known[bool] = (
        prevention == "enforced" if prevention in ("enforced", "inherited", "unspecified") else INVALID
    )
    acl: Known[bool] = False
    if uniform is not True:
        acl = _any(_entities(answer) for answer in entries)
    return PublicAccess(blocked, {"publicAccessPrevention": blocked}, acl, _policy(policy))


def _any(facts: Iterable[Known[bool]]) -> Known[bool]:
    """True where one is; unknown where one is and none is true."""
    unknown: Known[bool] = False
    for fact in facts:
        if fact is True:
            return True
        if isinstance(fact, Unknown):
            unknown = fact
    return unknown


def _entities(answer: Answer) -> Known[bool]:
    return any(entry.get("entity") in EVERYONE for entry in answer.data) if answer.ok else answer.unknown


def _policy(answer: Answer) -> Known[bool]:
    """Whether the bucket's own policy lets everyone in. Everyone under a condition is unknown."""
    if not answer.ok:
        return answer.unknown
    found: Known[bool] = False
    for binding in answer.data:
        if EVERYONE.isdisjoint(binding.get("members", ())):
            continue
        if not binding.get("condition"):
            return True
        found = Unknown("conditional-policy")
    return found


def key_facts(name: str, described: Answer) -> KeyFacts:
    """A key of Cloud KMS. Its project and location stand in its name; the rest the service must tell."""
    match = KEY_NAME.fullmatch(name)
    if match is None:
        return KeyFacts(name, *(Unknown("not-a-key-name"),) * 7)
    project, where = match.groups()
    told: Mapping[str, Any] = described.data if described.ok else {}
    version = told.get("primary") if isinstance(told.get("primary"), Mapping) else {}
    level = (version or {}).get("protectionLevel") or (told.get("versionTemplate") or {}).get("protectionLevel")
    spans = where == "global" or re.search(r"\d", where) is None or country_of(where) == Unknown("region-not-listed")
    state = (version or {}).get("state")
    return KeyFacts(
        id=name,
        account=project,
        region=where,
        country=Unknown("several-places") if spans else country_of(where),
        origin=str(level) if level else described.unknown,
        manager="customer",
        multi_region=spans,
        enabled=state == "ENABLED" if state else described.unknown,
    )
