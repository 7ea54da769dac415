"""What may become of a container after tagged content went there: aspects, changes, findings. Pure.

How facts are held against earlier ones is told in ``haechi.domain.drift_aspects``; whether something is *forbidden* the
policies say.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from haechi.domain.facts import JSON

Leaves = Mapping[str, JSON]


class Aspect(StrEnum):
    """What a container may change in, the gravest first."""

    EXISTENCE = "existence"
    OWNER = "owner"
    PUBLIC = "public"
    REPLICAS = "replicas"
    KEY = "key"
    REGION = "region"
    GUARD = "public-block"
    VERSIONING = "versioning"
    MFA_DELETE = "mfa-delete"
    OBJECT_LOCK = "object-lock"
    LOGGING = "logging"
    ACCELERATION = "acceleration"
    WAYS = "ways"
    TRANSPORT = "transport"


UNREADABLE: Final = "unreadable"
"""The kind of a finding that facts which were known cannot be read any more: one a container, whatever was lost."""
KINDS: Final = (*(aspect.value for aspect in Aspect), UNREADABLE)
GRAVE: Final = frozenset(
    {Aspect.EXISTENCE, Aspect.OWNER, Aspect.PUBLIC, Aspect.REPLICAS, Aspect.KEY, Aspect.REGION, UNREADABLE}
)
"""Kinds that are grave whatever rule speaks of them."""


class Turn(StrEnum):
    """Which way. The table stands in ``haechi.domain.drift_aspects``."""

    WORSE = "worse"
    LOST = "lost"
    LEARNT = "learnt"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Change:
    """One aspect that is not as it was. ``was`` and ``now`` have the leaves that differ."""

    aspect: Aspect
    turn: Turn
    was: Leaves
    now: Leaves


@dataclass(frozen=True, slots=True)
class Comparison:
    """All changes, the gravest first, and the aspects of which nothing can be said now."""

    changes: tuple[Change, ...]
    unseen: frozenset[Aspect] = frozenset()


class State(StrEnum):
    """What became of a finding."""

    OPEN = "open"
    MENDED = "mended"
    ACCEPTED = "accepted"
    """An officer knows, and said why it stays so."""
    FOLLOWED = "followed"
    """It changed further: another finding took its place."""


@dataclass(frozen=True, slots=True)
class Drift:
    """A finding: a container with tagged content is worse than when the content went there. ``kind`` is one of
    ``KINDS``; ``rules`` are the policies' findings that hold now and did not hold then.
    """

    id: str
    provider: str
    container: str
    kind: str
    was: Leaves
    now: Leaves
    raised: dt.datetime
    rules: tuple[Mapping[str, JSON], ...] = ()
    state: State = State.OPEN
    ended: dt.datetime | None = None
    by: str = ""
    reason: str = ""

    @property
    def grave(self) -> bool:
        """Whether it is more than a note: by its kind, or because a rule would refuse an upload there now."""
        return self.kind in GRAVE or any(rule.get("severity") != "log" for rule in self.rules)

    def as_json(self) -> dict[str, JSON]:
        """The form in the audit and on the control socket."""
        return {
            "id": self.id,
            "provider": self.provider,
            "container": self.container,
            "kind": self.kind,
            "was": dict(self.was),
            "now": dict(self.now),
            "grave": self.grave,
            "rules": [dict(rule) for rule in self.rules],
            "raised": self.raised.isoformat(),
            "state": self.state.value,
            "ended": self.ended.isoformat() if self.ended else None,
            "by": self.by,
            "reason": self.reason,
        }
