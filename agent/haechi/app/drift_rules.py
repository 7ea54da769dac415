"""Which rules speak of a container now that did not speak of it before: the policies judge both, as for an upload.

The question is the survey's (``haechi.app.surveying``): may what lies there be put there, by a designated person? Asked
of the earlier facts, and of the same with one aspect of today's, so that each rule is told with the change that it
speaks of. No rule is named here: whichever the institution put in force answer. Must not know: how facts are read.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from haechi.app.assessing import Assessor, Circumstances
from haechi.domain.actor import Actor
from haechi.domain.content import Content
from haechi.domain.destination import Destination
from haechi.domain.drift import Aspect
from haechi.domain.drift_aspects import carried
from haechi.domain.facts import JSON
from haechi.domain.upload import Action, ActionKind, Location
from haechi.ports.engine import Answered, PolicyEngine

OPERATION: Final = "WatchContainer"
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
Rules = tuple[Mapping[str, JSON], ...]


@dataclass(frozen=True, slots=True)
class JudgeChange:
    """The question about one container. ``assessor`` reads its facts through a cache of the watch's own."""

    engine: PolicyEngine
    assessor: Assessor
    actor: Actor

    async def __call__(
        self, place: Location, content: Content, was: Destination, now: Destination, aspects: Iterable[Aspect]
    ) -> Mapping[Aspect, Rules | None]:
        """The findings that are new with each aspect; None where the engine did not answer."""
        where = dataclasses.replace(place, key="")
        action = Action(place.provider, "haechi", OPERATION, ActionKind.UPLOAD, where)
        made = await self.assessor.assess(Circumstances(action, self.actor, "https", place.endpoint), content)
        before = await self._spoken(made.facts, was)
        found: dict[Aspect, Rules | None] = {}
        for aspect in aspects:
            after = await self._spoken(made.facts, carried(was, now, aspect))
            known = before is not None and after is not None
            found[aspect] = tuple(one for one in after or () if one not in (before or ())) if known else None
        return found

    async def _spoken(self, facts: Mapping[str, JSON], of: Destination) -> Rules | None:
        """What is found with these facts of the destination, in place of those that were just read."""
        form = of.as_json(_EPOCH)  # as if both were read this moment: their age is no change
        destination = facts.get("destination")
        kept = dict(destination) if isinstance(destination, Mapping) else {}
        asked = {**facts, "destination": {**kept, "facts": form}, "encryption": form["encryption"]}
        answer = await self.engine.evaluate(asked)
        if not isinstance(answer, Answered):
            return None
        return tuple(finding.as_json() for finding in answer.findings)
