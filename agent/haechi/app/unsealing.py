"""What the agent does around an unsealing that happens in the person's own process.

It tells which tags sealed content has, and protects the plain content again before it has a name.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from haechi.app.recording import unsealed_event
from haechi.app.sealing import inspected
from haechi.domain.content import MatchHow
from haechi.domain.errors import HaechiError
from haechi.domain.tags import Tag, merge_tags
from haechi.ports.audit import AuditLog
from haechi.ports.clock import Clock
from haechi.ports.index import ContentIndex

Protect = Callable[[int, str, Sequence[Tag]], Awaitable[Mapping[str, str]]]
"""Put the content of an open file into the index under tags; the path is what it will be called. Answers with the
extended attributes that say so on the file: its owner sets them, since the agent's user may not.
"""


@dataclass(frozen=True, slots=True)
class UnsealFile:
    """The use case's two halves. The person is not trusted to say the tags: they are looked up by content."""

    index: ContentIndex
    protect: Protect
    audit: AuditLog
    clock: Clock
    new_id: Callable[[], str]

    async def tags(self, source: int, path: str) -> tuple[Tag, ...]:
        """The tags of sealed content; empty where this agent did not seal it."""
        if not self.index.ready:
            raise HaechiError("seal.index-not-ready")
        content = await inspected(self.index, source, path)
        return merge_tags(
            tag for match in content.matches if match.how in (MatchHow.SEALED, MatchHow.EXACT) for tag in match.tags
        )

    async def unsealed(self, plain: int, path: str, tags: Sequence[Tag], user: str) -> dict[str, str]:
        """Protect the plain content; the attributes that its file is to carry. A caller's tags can only add protection,
        so they are taken as they are.
        """
        attributes = dict(await self.protect(plain, path, tags)) if tags else {}
        name = path.rsplit("/", 1)[-1]
        await self.audit.durable(unsealed_event(name, tags, self.new_id(), self.clock.now(), user))
        return attributes
