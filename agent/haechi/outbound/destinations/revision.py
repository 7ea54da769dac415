"""What identifies a set of facts, and which of them are unknown. Pure."""

from __future__ import annotations

import datetime as dt
import hashlib
import json

from haechi.domain.destination import Destination, KeyFacts, gaps
from haechi.domain.facts import JSON, Unknown, causes

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def revision_of(facts: Destination) -> str:
    """A digest that changes whenever any fact does, also from one unknown to another; the age has no part in it."""
    text = json.dumps(_facts(facts), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def unknown_causes(facts: Destination) -> frozenset[str]:
    """The causes of all that is unknown. A setting that its provider does not have for a container is no gap."""
    return gaps(_facts(facts))


def key_causes(facts: KeyFacts | Unknown) -> frozenset[str]:
    """The same of a key."""
    return frozenset([facts.cause]) if isinstance(facts, Unknown) else frozenset(causes(facts.as_json()))


def _facts(facts: Destination) -> dict[str, JSON]:
    return {name: fact for name, fact in facts.as_json(_EPOCH).items() if name != "age_seconds"}
