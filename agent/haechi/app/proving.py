"""Prove that a tool's uploads are judged: synthetic content that is tagged, and what was decided about it.

The content is random, made by the agent, and protected as if a person had tagged it; nothing real is at stake. What a
tool printed proves nothing: the proof is the agent's own decision about an object whose name holds the token.
"""

from __future__ import annotations

import base64
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from haechi.domain.errors import HaechiError
from haechi.domain.facts import JSON
from haechi.ports.audit import AuditLog

SIZE: Final = 64 * 1024
"""Bytes of the synthetic content: over the shortest excerpt that is always found."""
REMEMBERED: Final = 512
AT_ONCE: Final = 8
PROVEN: Final = ("refused", "observed", "skipped")
"""Outcomes that leave nothing open: refused, recorded in monitor mode, not tried with a reason."""


@dataclass(slots=True)
class RecentDecisions:
    """An ``AuditLog`` that passes everything on, and keeps the newest decisions at hand."""

    inner: AuditLog
    _newest: deque[Mapping[str, JSON]] = field(default_factory=lambda: deque(maxlen=REMEMBERED))

    async def durable(self, event: Mapping[str, JSON]) -> None:
        """As ``AuditLog``; remembered once it is durable."""
        await self.inner.durable(event)
        self._note(event)

    def soon(self, event: Mapping[str, JSON]) -> None:
        """As ``AuditLog``."""
        self.inner.soon(event)
        self._note(event)

    def later(self, event: Mapping[str, JSON]) -> bool:
        """As ``AuditLog``; remembered either way."""
        self._note(event)
        return self.inner.later(event)

    def about(self, token: str) -> list[Mapping[str, JSON]]:
        """The newest decisions whose destination or request names the token, oldest first."""
        return [event for event in self._newest if token in repr((event.get("destination"), event.get("request")))]

    def _note(self, event: Mapping[str, JSON]) -> None:
        if event.get("kind") == "decision":
            self._newest.append(event)


Protect = Callable[[str, bytes], Awaitable[None]]
"""Put synthetic content into the index under a name, with the strictest tag."""
Release = Callable[[str], Awaitable[None]]
"""Take it out again."""


class SelfTests(Protocol):
    """Where the last self-test is kept."""

    def last(self) -> Mapping[str, JSON] | None:
        """``{"at", "user", "proven", "tools": {name: outcome}}``; None before the first."""

    def keep(self, result: Mapping[str, JSON]) -> None:
        """Replace it. A failure to keep it must not undo the test: it is raised as ``HaechiError``."""


@dataclass(slots=True)
class RememberedSelfTests:
    """Until the agent ends."""

    _last: Mapping[str, JSON] | None = None

    def last(self) -> Mapping[str, JSON] | None:
        """As ``SelfTests``."""
        return self._last

    def keep(self, result: Mapping[str, JSON]) -> None:
        """As ``SelfTests``."""
        self._last = result


@dataclass(slots=True)
class ProveTools:
    """The use case. ``random`` gives bytes that nobody can guess."""

    recent: RecentDecisions
    protect: Protect
    release: Release
    random: Callable[[int], bytes]
    self_tests: SelfTests = field(default_factory=RememberedSelfTests)
    _tokens: dict[str, None] = field(default_factory=dict)

    async def prepare(self) -> dict[str, Any]:
        """New synthetic content: ``{"token", "content"}`` (base64). The oldest goes where too many are open."""
        while len(self._tokens) >= AT_ONCE:
            await self.end(next(iter(self._tokens)))
        token, content = self.random(8).hex(), self.random(SIZE)
        await self.protect(f"haechi-doctor-{token}", content)
        self._tokens[token] = None
        return {"token": token, "content": base64.b64encode(content).decode("ascii")}

    def seen(self, token: str) -> list[dict[str, JSON]]:
        """What was decided about objects that name the token: id, effect, executable, and the place as it was asked."""
        if not any(token.startswith(known) for known in self._tokens):
            raise HaechiError("doctor.unknown-token")
        return [_brief(event) for event in self.recent.about(token)]

    async def conclude(self, token: str, tools: Mapping[str, str], at: str, user: str) -> None:
        """Record what a trial found, and keep it for ``haechi status``. ``tools``: outcome by name.

        The outcomes are the command's word; the decisions beside them in the audit are the agent's own.
        """
        if token not in self._tokens:
            raise HaechiError("doctor.unknown-token")
        outcomes: dict[str, JSON] = dict(tools)
        proven = bool(tools) and all(one in PROVEN for one in tools.values())
        result: dict[str, JSON] = {"at": at, "user": user, "proven": proven, "tools": outcomes}
        await self.recent.durable({"schema": "haechi.record/1", "kind": "self-test", **result})
        self.self_tests.keep(result)

    async def end(self, token: str) -> None:
        """Forget the content."""
        if token in self._tokens:
            del self._tokens[token]
            await self.release(f"haechi-doctor-{token}")


def _brief(event: Mapping[str, JSON]) -> dict[str, JSON]:
    decision, actor = event.get("decision"), event.get("actor")
    content, action = event.get("content"), event.get("action")
    return {
        "id": event.get("id"),
        "effect": decision.get("effect") if isinstance(decision, Mapping) else None,
        "executable": actor.get("executable") if isinstance(actor, Mapping) else None,
        "content": content.get("state") if isinstance(content, Mapping) else None,
        "kind": action.get("kind") if isinstance(action, Mapping) else None,
        "operation": action.get("operation") if isinstance(action, Mapping) else None,
        "destination": event.get("destination"),
        # A request that contradicts itself is refused before anybody knows its destination.
        "request": event.get("request"),
    }
