"""Stand-ins for what reaches outside the process: destinations at a provider, the process behind a connection.

Everything else in the judge's tests is real: index, ledgers, audit, engine and the shipped policies.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from haechi.domain.actor import Actor
from haechi.domain.content import Content
from haechi.domain.destination import Destination, KeyFacts
from haechi.domain.facts import JSON, Known, Unknown
from haechi.domain.reads import ReadFacts
from haechi.domain.registry import RegistryIndex
from haechi.domain.upload import Location
from haechi.outbound.telemetry.catalogue import METRICS, Kind


@dataclass(slots=True)
class FixedDestinations:
    """Facts by container's name. A container that is not here could not be read. Also the facts of keys."""

    known: dict[str, Destination]
    keys: dict[str, KeyFacts] = field(default_factory=dict)
    forgotten: list[Location] = field(default_factory=list)
    read: set[tuple[str, str]] = field(default_factory=set)

    def cached(self, place: Location) -> Destination | None:
        """Fresh once they were read."""
        if (place.provider, place.container) not in self.read:
            return None
        return self.known.get(place.container) or _unread(place)

    async def facts(self, place: Location) -> Destination:
        """See ``ports.destinations``."""
        self.read.add((place.provider, place.container))
        return self.known.get(place.container) or _unread(place)

    def forget(self, place: Location) -> None:
        """See ``ports.destinations``."""
        self.forgotten.append(place)
        self.read.discard((place.provider, place.container))

    async def key(self, place: Location, key_id: str) -> KeyFacts | Unknown:
        """See ``ports.destinations.Keys``."""
        return self.keys.get(key_id, Unknown("not-read"))

    def change(self, container: str, **facts: Any) -> None:
        """Something happened at the provider."""
        before = self.known[container]
        self.known[container] = dataclasses.replace(before, revision=before.revision + "+", **facts)


def _unread(place: Location) -> Destination:
    unread = Destination.unread(place.provider, place.container, Unknown("not-read"))
    return dataclasses.replace(unread, revision="unread")


@dataclass(slots=True)
class FixedActors:
    """One process behind every connection."""

    actor: Actor

    def of(self, address: str, port: int) -> Actor:
        """See ``ports.actors``."""
        return self.actor

    def forget(self, address: str, port: int) -> None:
        """See ``ports.actors``."""


@dataclass(slots=True)
class FixedRegistry:
    """A registry that verified."""

    index: RegistryIndex
    revision: str = "registry-1"

    @property
    def in_force(self) -> FixedRegistry:
        """See ``ports.registry``."""
        return self

    def facts(self, place: Location | None, actor: Actor, content: Content, now: Any, access_key: str = "") -> Any:
        """See ``ports.registry``."""
        facts: dict[str, JSON] = dict(self.index.facts(place, actor, content, now, access_key))
        return facts


@dataclass(slots=True)
class CountedMetrics:
    """Counts, to be looked at, by name alone and with labels. What the agent's own would not take is a fault here."""

    counts: dict[str, int] = field(default_factory=dict)
    labels: dict[str, set[str]] = field(default_factory=dict)
    """Every value that a label of a metric had, by ``metric.label``."""
    observed: dict[str, int] = field(default_factory=dict)

    def count(self, name: str, /, amount: int = 1, **labels: str) -> None:
        """See ``ports.metrics``."""
        _fits(name, Kind.COUNTER, labels)
        for label, value in labels.items():
            self.labels.setdefault(f"{name}.{label}", set()).add(value)
        self.counts[name] = self.counts.get(name, 0) + amount

    def observe(self, name: str, seconds: float, /, **labels: str) -> None:
        """See ``ports.metrics``."""
        _fits(name, Kind.DURATION, labels)
        self.observed[name] = self.observed.get(name, 0) + 1


def _fits(name: str, kind: Kind, labels: Mapping[str, str]) -> None:
    metric = next((metric for metric in METRICS if metric.name == name and metric.kind is kind), None)
    assert metric is not None, name
    assert set(labels) == set(metric.labels), (name, labels)


@dataclass(slots=True)
class FixedReads:
    """What was read lately: nothing, unless a test says otherwise."""

    process: Known[bool] = False
    user: Known[bool] = False
    asked: int = 0

    async def of(self, actor: Actor, window: dt.timedelta) -> ReadFacts:
        """See ``ports.reads``."""
        self.asked += 1
        return ReadFacts(self.process, self.user, window)
