"""The policy input: what the engine is told about one request, and what it answers.

Theory. Everything a rule may look at stands in one object, ``haechi.input/1``
(``policies/schema/input-1.json``). Nothing in it is ever absent: what could not be learned is
``{"unknown": "<cause>"}`` in its place, so that a rule cannot pass because a field was missing.
The answer, ``haechi.decision/1``, is a list of rules that spoke with their parameters; requirement, basis
and severity are joined to it here from the rules' METADATA, because neither engine reads METADATA itself.

Must not know: how an engine is run, where policies lie, what words a finding is told in.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from haechi.domain.actor import Actor
from haechi.domain.content import Content, Match
from haechi.domain.decision import LATEST, Basis, Finding, Severity
from haechi.domain.destination import Destination, KeyFacts
from haechi.domain.disclosure import SensitiveWord
from haechi.domain.facts import JSON, Known, Unknown, as_json
from haechi.domain.reads import ReadFacts
from haechi.domain.upload import Action, ActionKind, ExposureChange, Location, RequestEncryption

INPUT_SCHEMA = "haechi.input/1"
DECISION_SCHEMA = "haechi.decision/1"

NO_ISSUE: Mapping[str, JSON] = MappingProxyType({"sequence": None, "age_seconds": None, "unconfirmed_seconds": None})
"""Policies without a number, a date and a source: those that ship, and a folder's."""
_KEYED_MODES = ("kms", "kms-dual")
_NOT_SEEN = {
    "not-seen": "begin-not-seen",
    "object-not-seen": "object-not-seen",
    "differs": "beginnings-differ",
}
"""A wish that nobody knows, to why."""


@dataclass(frozen=True, slots=True)
class RuleInfo:
    """What a rule's METADATA and the institution's policy data say about it, for joining and explaining.

    ``certainty`` is the regulation table's own letter (Q, S, I); empty for the project's own caution.
    """

    id: str
    requirement: str
    basis: Basis
    severity: Severity
    source: str
    title: Mapping[str, str] = field(default_factory=dict)
    file: str = ""
    certainty: str = ""
    also: tuple[str, ...] = ()
    description: str = ""
    order: int = LATEST
    """Which of several findings is told first: the smaller. See ``haechi.domain.decision``."""


def policy_input(
    *,
    now: dt.datetime,
    action: Action,
    actor: Actor,
    content: Content,
    registry: Mapping[str, JSON],
    destination: Destination | Unknown | None,
    source: Destination | Unknown | None,
    scheme: str,
    host: str,
    consistent: bool,
    way: str = "proxy",
    request_key: KeyFacts | Unknown | None = None,
    targets: Mapping[Location, Destination | Unknown] = MappingProxyType({}),
    sent: Mapping[str, int] | Unknown = MappingProxyType({}),
    policy: Mapping[str, JSON] = NO_ISSUE,
    words: tuple[SensitiveWord, ...] = (),
    reads: ReadFacts | None = None,
) -> dict[str, JSON]:
    """Everything the rules may know about one request.

    ``content`` is what travels, or, for a copy, an assembly or a change of settings, what is known to be stored; where
    something protected may be in it that nobody looked for, it carries a worst-case match: content without
    matches counts as untagged. ``consistent`` whether CONNECT target, SNI and Host name the same place.
    ``destination`` and ``source`` Unknown or None make every fact of them unknown. ``request_key`` are the facts of the
    key that the request itself names, where that is not the container's default key.
    ``targets`` are the facts of containers that a change of settings names. ``words`` stand in the clear, of tagged
    content (R31).
    ``sent`` is how many bytes of each protected content (by digest) the user had sent to the container before.
    ``reads`` is what the actor read of tagged content lately; None where nobody asked, because the content was read.
    ``policy`` is what ``domain.issue.issue_facts`` says of the policies in force.
    ``registry`` may be ``{"unknown": cause}``. Raises ``ValueError`` for a ``now`` without time zone.
    """
    if now.tzinfo is None:
        raise ValueError("now needs a time zone")
    facts = _facts_of(destination, action.destination)
    return {
        "schema": INPUT_SCHEMA,
        "time": instant(now),
        "request": {
            "provider": action.provider,
            "service": action.service,
            "operation": action.operation,
            "kind": action.kind.value,
            "reason": action.reason,
            "scheme": scheme,
            "host": host,
            "way": way,
            "encryption": action.encryption.as_json(),
            "exposures": [_change_json(change, targets) for change in action.exposures],
            "route": {**action.route.as_json(), "country": as_json(action.route.stands(facts.country))},
            "access_key": action.access_key,
            "presigned": action.presigned,
            "consistent": consistent,
            "words": [word.as_json() for word in words],
        },
        "destination": {
            "location": action.destination.as_json() if action.destination else None,
            "facts": facts.as_json(now),
        },
        "encryption": effective_encryption(action.encryption, facts, request_key),
        "source": _source_json(action, source, now),
        "actor": actor.as_json(),
        "content": _content_json(content, sent),
        "registry": dict(registry),
        "policy": dict(policy),
        "reads": reads.as_json() if reads else None,
    }


def _content_json(content: Content, sent: Mapping[str, int] | Unknown) -> dict[str, JSON]:
    """What travels, with the share of each protected content that the user will have sent to this container with it."""
    form = content.as_json()
    form["matches"] = [
        {**match.as_json(), "cumulative_share": as_json(cumulative_share(match, sent))} for match in content.matches
    ]
    return form


def cumulative_share(match: Match, sent: Mapping[str, int] | Unknown) -> Known[float]:
    """0…1, at most: bytes that were sent twice count twice. What is whole in this upload is 1 whatever was before."""
    if match.share >= 1.0:
        return 1.0
    if isinstance(sent, Unknown):
        return sent
    return round(min(1.0, match.share + sent.get(match.digest, 0) / match.total_bytes), 6)


def effective_encryption(
    asked: RequestEncryption,
    facts: Destination,
    request_key: KeyFacts | Unknown | None = None,
) -> dict[str, JSON]:
    """What the object will be encrypted with on the provider's side: the request's word, else the container's.

    ``key`` is null where the mode has no key of its own (none, provider, client-key). The wish of an assembled object
    whose beginning was not seen, or is one of several (the modes of ``_NOT_SEEN``), is unknown, mode and key.
    """
    if asked.mode in _NOT_SEEN:
        why = as_json(Unknown(_NOT_SEEN[asked.mode]))
        return {"mode": why, "key": why}
    if asked.mode == "unset":
        return facts.encryption.as_json()
    if asked.mode not in _KEYED_MODES:
        return {"mode": asked.mode, "key": None}
    return {"mode": asked.mode, "key": _key_json(_asked_key(asked, facts, request_key))}


def findings_from(answer: Mapping[str, object], rules: Mapping[str, RuleInfo]) -> tuple[Finding, ...]:
    """The findings of an engine's answer. Raises ``ValueError`` for anything that is not exactly such an answer."""
    if not isinstance(answer, Mapping) or answer.get("schema") != DECISION_SCHEMA:
        raise ValueError(f"the answer is not {DECISION_SCHEMA}")
    listed = answer.get("findings")
    if set(answer) != {"schema", "findings"} or not isinstance(listed, list):
        raise ValueError("the answer has no list of findings, or more than that")
    return tuple(_finding(item, rules) for item in listed)


def instant(moment: dt.datetime) -> str:
    """A moment as the policies compare it: UTC, whole seconds, ``2026-01-02T03:04:05Z``."""
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _finding(item: object, rules: Mapping[str, RuleInfo]) -> Finding:
    if not isinstance(item, Mapping) or set(item) != {"rule", "params"}:
        raise ValueError("a finding has exactly rule and params")
    rule, params = item["rule"], item["params"]
    if not isinstance(rule, str) or rule not in rules:
        raise ValueError(f"finding of a rule that is not loaded: {rule!r}")
    if not isinstance(params, Mapping):
        raise ValueError(f"the params of {rule} are not an object")  # noqa: TRY004 - one error for a bad answer
    info = rules[rule]
    return Finding(info.id, info.requirement, info.basis, info.severity, dict(params), info.order)


def _facts_of(destination: Destination | Unknown | None, place: Location | None) -> Destination:
    """Facts that always have every field: a destination nobody could read has them all unknown."""
    if isinstance(destination, Destination):
        return destination
    why = destination if isinstance(destination, Unknown) else Unknown("no-destination")
    return Destination.unread(place.provider if place else "", place.container if place else "", why)


def _asked_key(
    asked: RequestEncryption, facts: Destination, request_key: KeyFacts | Unknown | None
) -> KeyFacts | Unknown:
    default = facts.encryption.key
    if not asked.key_id:
        # S3 takes the account's provider-managed key then; elsewhere nothing is known of it.
        return KeyFacts(manager="provider") if facts.provider == "aws" else Unknown("key-not-named")
    if isinstance(default, KeyFacts) and _same_key(default.id, asked.key_id):
        return default
    return request_key if request_key is not None else Unknown("not-read")


def _same_key(known: str | Unknown, asked: str) -> bool:
    """Whether a request names the known key, by its whole name or, within the container's region, by its unique id.

    A multi-region id (``mrk-``) is the same in several regions, an alias another key in each account: neither tells.
    """
    if isinstance(known, Unknown):
        return False
    return known == asked or (
        known.startswith("arn:")
        and "/" not in asked
        and not asked.startswith("mrk-")
        and known.endswith(f":key/{asked}")
    )


def _change_json(change: ExposureChange, targets: Mapping[Location, Destination | Unknown]) -> JSON:
    """A change of settings, with what an upload to each container that it names would be judged by."""
    known: list[JSON] = []
    for target, place in change.places:
        facts = _facts_of(targets.get(place, Unknown("not-read")), place)
        read = {
            "container": place.container,
            "account": facts.account,
            "country": facts.country,
            "region": facts.region,
        }
        replicas = facts.replicas
        known.append(
            {
                "target": target,
                **{name: as_json(value) for name, value in read.items()},
                "encryption": facts.encryption.as_json(),
                "public": facts.public.as_json(),
                "replicas": as_json(replicas)
                if isinstance(replicas, Unknown)
                else [replica.as_json() for replica in replicas],
            }
        )
    return {**change.as_json(), "target_facts": known}


def _key_json(key: KeyFacts | Unknown) -> JSON:
    return key.as_json() if isinstance(key, KeyFacts) else as_json(key)


def _source_json(action: Action, facts: Destination | Unknown | None, now: dt.datetime) -> JSON:
    if action.source is None and action.kind is not ActionKind.COPY:
        return None
    return {
        "location": action.source.as_json() if action.source else None,
        "facts": _facts_of(facts, action.source).as_json(now),
    }
