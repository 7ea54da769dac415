"""Find what would make an upload compliant: sealing it, naming the institution's key, or both. Nothing is done here.

Theory. The remedies are few and their order is by what they change: nothing, the provider's encryption, the bytes. Each
is tried on the same policy with the facts as they are, and the least that is allowed is the answer. What no remedy
mends (a bucket abroad, a missing approval) stays as it is, and is refused when it is judged.
"""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass

from haechi.app.assessing import Assessor, Circumstances
from haechi.app.sealing import inspected
from haechi.domain.actor import Actor
from haechi.domain.content import Content, ContentState, Match, MatchHow
from haechi.domain.decision import Effect
from haechi.domain.tags import Tag, merge_tags
from haechi.domain.upload import Action, ActionKind, Framing, Location, Request, RequestEncryption
from haechi.ports.connector import Connector
from haechi.ports.index import ContentIndex

MOST_KEYS = 8
"""Of the institution's at one provider that are tried; this project's choice. Each may be read live."""


@dataclass(frozen=True, slots=True)
class Remedy:
    """What would make it compliant. Where nothing would, or nothing is needed, nothing is changed."""

    seal: bool = False
    key: str = ""
    """What the request is to name to be stored with the institution's key: the key itself, or what stands for it."""
    allowed: bool = False


@dataclass(frozen=True, slots=True)
class FindRemedy:
    """The use case. ``keys`` is what a request to a place may name for a key of the institution's; ``marked`` as of
    ``SealFile``.
    """

    connectors: Sequence[Connector]
    assessor: Assessor
    index: ContentIndex
    keys: Callable[[Location], Awaitable[Sequence[str]]]
    marked: Callable[[int, str], Sequence[Tag]] = lambda descriptor, path: ()

    async def __call__(self, request: Request, source: int, path: str, actor: Actor) -> Remedy:
        """For an upload of the open regular file ``source``, called ``path``. Raises ``HaechiError``:
        ``seal.not-a-file``, ``seal.io``, or the index's.
        """
        connector = next(one for one in self.connectors if one.claims(request.host))
        action = connector.action(request)
        plain = action.kind is ActionKind.UPLOAD and action.assembly is None and action.body.framing is not Framing.FORM
        if not plain or action.destination is None:
            return Remedy()
        content = await inspected(self.index, source, path)
        about = Circumstances(action, actor, request.scheme, request.host)
        async for remedy, changed, carried in self._tries(action, content, self.marked(source, path)):
            made = await self.assessor.assess(dataclasses.replace(about, action=changed), carried)
            if made.decision.effect is Effect.ALLOW:
                return dataclasses.replace(remedy, allowed=True)
        return Remedy()

    async def _tries(
        self, action: Action, content: Content, marked: Sequence[Tag]
    ) -> AsyncIterator[tuple[Remedy, Action, Content]]:
        """In order. What may be named is asked about once, and only where something has to be."""
        keys: Sequence[str] | None = None
        for carried, seal in ((content, False), (_sealed(content, marked), True)):
            if carried is None:
                continue
            yield Remedy(seal), action, carried
            if keys is None:
                keys = await self._nameable(action)
            for key in keys:
                named = dataclasses.replace(action, encryption=RequestEncryption("kms", key))
                yield Remedy(seal, key), named, carried

    async def _nameable(self, action: Action) -> Sequence[str]:
        if action.encryption.mode == "client-key" or action.destination is None:
            return ()
        return (await self.keys(action.destination))[:MOST_KEYS]


def _sealed(content: Content, marked: Sequence[Tag]) -> Content | None:
    """What the ciphertext will be recognised as; None where nothing tagged is in it, or it is sealed already: sealing
    would change nothing.
    """
    found = [tag for match in content.matches if match.how is not MatchHow.WORST_CASE for tag in match.tags]
    tags = merge_tags([*found, *marked])
    if not tags or content.sealed:
        return None
    match = Match("sealed", "", tags, MatchHow.SEALED)
    return Content(ContentState.MATCHED, (match,), content.size)
