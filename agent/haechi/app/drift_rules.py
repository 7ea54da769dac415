"""Which rules speak of a container now that did not speak of it before: the policies judge both, as for an upload.

The question is the survey's (``haechi.app.surveying``): may what lies there be put there, by a designated person? Asked
of the earlier facts, of today's, and of the earlier with one aspect of today's, so that each rule is told with the
change that it speaks of, and none that does not speak today. No rule is named here: whichever the institution put in
force answer. Must not know: how facts are read.
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
        before, today = await self._spoken(made.facts, was), await self._spoken(made.facts, now)
        found: dict[Aspect, Rules | None] = {}
        for aspect in aspects:
            after = await self._spoken(made.facts, carried(was, now, aspect))
            if before is None or today is None or after is None:
                found[aspect] = None
                continue
            speak = {one["rule"] for one in today}
            found[aspect] = tuple(one for one in after if one not in before and one["rule"] in speak)
        return found

    async def _spoken(self, facts: Mapping[str, JSON], of: Destination) -> Rules | None:
        """What is found with these facts of the destination, in place of those that were just read."""
        form = of.as_json(_EPOCH)  # as if all were read this moment: their age is no change
        request = _part(facts, "request")
        asked = {
            **facts,
            "destination": {**_part(facts, "destination"), "facts": form},
            "encryption": form["encryption"],
            # By an endpoint of the container's own region: the way that somebody would take is no fact of it.
            "request": {**request, "route": {**_part(request, "route"), "country": form["country"]}},
        }
        answer = await self.engine.evaluate(asked)
        if not isinstance(answer, Answered):
            return None
        return tuple(finding.as_json() for finding in answer.findings)


def _part(of: Mapping[str, JSON], name: str) -> Mapping[str, JSON]:
    part = of.get(name)
    return part if isinstance(part, Mapping) else {}
