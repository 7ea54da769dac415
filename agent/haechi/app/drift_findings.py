"""From changes to findings, and from a finding to its record. Pure: what was read and what the rules said come in."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from haechi.app.recording import SCHEMA
from haechi.domain.destination import Destination
from haechi.domain.drift import UNREADABLE, Aspect, Change, Comparison, Drift, Leaves, Turn
from haechi.domain.drift_aspects import carried, same
from haechi.domain.facts import JSON
from haechi.ports.drift import Watched

KIND = "drift"
"""Of the records about findings."""
Rules = tuple[Mapping[str, JSON], ...]


@dataclass(frozen=True, slots=True)
class Found:
    """What a look found of one kind. ``rules`` are those that speak now and did not before."""

    kind: str
    was: Leaves
    now: Leaves
    rules: Rules = ()

    def is_of(self, drift: Drift) -> bool:
        """Whether that finding tells the same already."""
        return same(dict(self.now)) == same(dict(drift.now))


@dataclass(frozen=True, slots=True)
class Findings:
    """What a look found, by kind, and what the facts are held against from now on. Kinds that are ``open_still`` cannot
    be said to be mended, though nothing was found of them.
    """

    found: Mapping[str, Found]
    baseline: Destination
    open_still: frozenset[str]


def findings(
    compared: Comparison, rules: Mapping[Aspect, Rules | None], was: Destination, now: Destination
) -> Findings:
    """``rules`` is None for an aspect of which the engine did not answer: then it is asked again at the next look."""
    found: dict[str, Found] = {}
    lost: list[Change] = []
    spoken: list[Mapping[str, JSON]] = []
    baseline, unsure = was, set(compared.unseen)
    for change in compared.changes:
        spoke = rules.get(change.aspect)
        if change.turn is Turn.LOST:
            lost.append(change)
            unsure.add(change.aspect)
            spoken.extend(one for one in spoke or () if one not in spoken)
        elif change.turn is Turn.WORSE or spoke:
            found[change.aspect.value] = Found(change.aspect.value, change.was, change.now, spoke or ())
        elif spoke is None:
            unsure.add(change.aspect)
        else:
            baseline = carried(baseline, now, change.aspect)
    if lost:
        sides = [
            {f"{one.aspect.value}.{leaf}": value for one in lost for leaf, value in getattr(one, side).items()}
            for side in ("was", "now")
        ]
        found[UNREADABLE] = Found(UNREADABLE, sides[0], sides[1], tuple(spoken))
    still = {aspect.value for aspect in unsure} | ({UNREADABLE} if compared.unseen else set())
    return Findings(found, baseline, frozenset(still))


def accepted(watched: Watched, drift: Drift) -> Watched:
    """The container with what was accepted in its baseline. What was lost is unknown from then on, until it is known
    again.
    """
    aspects = {leaf.partition(".")[0] for leaf in drift.now} if drift.kind == UNREADABLE else {drift.kind}
    baseline = watched.baseline
    for aspect in Aspect:
        if aspect.value in aspects:
            baseline = carried(baseline, watched.latest, aspect)
    return dataclasses.replace(watched, baseline=baseline)


def drift_event(
    drift: Drift, policy: str, at: dt.datetime, objects: Sequence[Mapping[str, JSON]] = (), total: int = 0
) -> dict[str, JSON]:
    """The record of a step of a finding, ``act`` being the state that it has then. ``objects`` are the first of
    ``total`` tagged objects in the container.
    """
    return {
        "schema": SCHEMA,
        "kind": KIND,
        "id": drift.id,
        "at": at.isoformat(),
        "act": drift.state.value,
        "user": drift.by,
        "reason": drift.reason,
        "destination": {"provider": drift.provider, "container": drift.container, "key": ""},
        "drift": drift.as_json(),
        "objects": [dict(one) for one in objects],
        "objects_total": total,
        "policy": policy,
    }
