"""Answer, before anyone uploads, what would be decided: the same assessment, without an upload.

Works on an open file that the person handed over, so it tells nobody about files that he or she may not read.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from haechi.app.assessing import Assessment, Assessor, Circumstances
from haechi.app.explaining import described
from haechi.app.refusing import RuleWords
from haechi.app.sealing import inspected
from haechi.domain.actor import Actor
from haechi.domain.content import Content
from haechi.domain.errors import HaechiError
from haechi.domain.facts import Unknown
from haechi.domain.scope import Classification, Scope
from haechi.domain.upload import Action, ActionKind, Request
from haechi.ports.cloud import Cloud
from haechi.ports.connector import Connector
from haechi.ports.engine import PolicyEngine
from haechi.ports.index import ContentIndex
from haechi.words import say


@dataclass(frozen=True, slots=True)
class Intended:
    """An upload that nobody made yet: the open file ``source``, which is called ``path``, going to ``url``
    (``s3://bucket/key``) at ``endpoint`` (empty: AWS).
    """

    source: int
    path: str
    url: str
    endpoint: str
    actor: Actor


@dataclass(frozen=True, slots=True)
class CheckFile:
    """The use case. ``connectors`` are asked in order, ``clouds`` for the request that a URL stands for."""

    connectors: Sequence[Connector]
    clouds: Sequence[Cloud]
    assessor: Assessor
    index: ContentIndex
    engine: PolicyEngine
    rule_words: RuleWords
    scope: Callable[[], Scope]
    """What the data path intercepts now. Elsewhere a verdict would be of no effect, and none is given."""

    async def __call__(self, upload: Intended, lang: str) -> dict[str, Any]:
        """The decision that it would get now, told in words. Raises as ``judged``."""
        action, made, content = await self.judged(upload)
        place = action.destination
        return {
            "effect": made.decision.effect.value,
            "content": content.as_json(),
            "destination": place.as_json() if place else None,
            "facts": dict(made.facts),
            "policy": made.policy,
            "registry": made.registry,
            "index_ready": self.index.ready,
            "findings": [
                described(finding.as_json(), self.engine.rules.get(finding.rule), self.rule_words, lang)
                for finding in made.decision.findings
            ],
            "causes": [
                {"code": cause.code, "message": say(f"cause.{cause.code}", lang, **cause.params)}
                for cause in made.decision.causes
            ],
        }

    async def judged(
        self, upload: Intended, seen: Callable[[int], Awaitable[None]] | None = None
    ) -> tuple[Action, Assessment, Content]:
        """What it would do, the decision that it would get now, and what it carries. ``seen`` is told the bytes read so
        far.

        Raises ``HaechiError``: ``check.bad-url``, ``check.unknown-store``, ``check.not-judged``,
        ``seal.not-a-file``, ``seal.io``.
        """
        # Plain HTTP is judged wherever it goes; of TLS, what the scope has.
        _, asked = request_for(self.clouds, upload.url, upload.endpoint, 0)
        if asked.scheme == "https" and self.scope().classify("", asked.host) is Classification.TUNNEL:
            raise HaechiError("check.not-judged", host=asked.host)
        content = await inspected(self.index, upload.source, upload.path, seen)
        cloud, request = request_for(self.clouds, upload.url, upload.endpoint, content.size or 0)
        connector = next((one for one in self.connectors if one.claims(request.host)), None)
        if connector is None:
            raise HaechiError("check.unknown-store", host=request.host)
        action = connector.action(request)
        if not upload.endpoint:
            request, action = await self._in_its_region(request, action, connector, cloud)
        if action.kind is not ActionKind.UPLOAD or action.destination is None:
            raise HaechiError("check.bad-url", url=upload.url)
        about = Circumstances(action, upload.actor, request.scheme, request.host)
        made = await self.assessor.assess(about, content)
        return action, made, content

    async def _in_its_region(
        self, request: Request, action: Action, connector: Connector, cloud: Cloud
    ) -> tuple[Request, Action]:
        """As a tool asks that is set to the bucket's region; as it was where that is not known."""
        place, _ = await self.assessor.places(action)
        if place is None or isinstance(place.region, Unknown):
            return request, action
        request = cloud.in_region(request, place.region)
        return request, connector.action(request)


def request_for(clouds: Sequence[Cloud], url: str, endpoint: str, size: int) -> tuple[Cloud, Request]:
    """The request that a plain upload to ``url`` would make, and whose it is.

    Raises ``HaechiError('check.bad-url')``.
    """
    for cloud in clouds:
        request = cloud.plain_upload(url, endpoint, size)
        if request is not None:
            return cloud, request
    at = urlsplit(endpoint)
    raise HaechiError("check.bad-url", url=url if not endpoint or at.netloc else endpoint)
