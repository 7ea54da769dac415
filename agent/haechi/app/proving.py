"""Prove that a tool's uploads are judged: synthetic content that is tagged, and what was decided about it.

The content is random, made by the agent, and protected as if a person had tagged it; nothing real is at stake. What a
tool printed proves nothing, and what the command says of it neither: the proof is the agent's own decision about *this*
content, in a request that names this tool of this proof, by a process of the user who asked for it.

=========================================  ==============  ================
decisions about the tool's own names       the tool ended  outcome
=========================================  ==============  ================
this content allowed, or an upload         either          ``through``
none, nothing was stopped                  well            ``through``
this content would have been refused       either          ``observed``
this content refused                       either          ``refused``
something else, or nothing                 not well        ``unproven``
=========================================  ==============  ================
"""

from __future__ import annotations

import base64
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Final, Protocol

from haechi.app.recording import self_test_event
from haechi.domain.errors import HaechiError
from haechi.domain.facts import JSON
from haechi.domain.proof import STEM, concerns, content_name
from haechi.ports.audit import AuditLog

SIZE: Final = 64 * 1024
"""Bytes of the synthetic content: over the shortest excerpt that is always found."""
REMEMBERED: Final = 512
AT_ONCE: Final = 8
CARRYING: Final = ("upload", "assemble", "unrecognised")
"""Kinds of request that bring content."""


class Outcome(StrEnum):
    """What became of one tool's upload."""

    REFUSED = "refused"
    OBSERVED = "observed"
    """Monitor mode: judged a violation and let through, as monitor does."""
    THROUGH = "through"
    """The agent allowed it, or the tool reports success that the agent never saw."""
    UNPROVEN = "unproven"
    """The tool failed and the agent did not refuse this content: neither proof nor leak."""


PROVEN: Final = (Outcome.REFUSED, Outcome.OBSERVED)
"""Outcomes that leave nothing open."""


class Ending(StrEnum):
    """How the tool itself ended: all that the command is believed."""

    WELL = "well"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the agent found about one tool, and by which of its own decisions."""

    outcome: Outcome
    decision: str = ""
    operation: str = ""
    """Of an ``unproven``: what was refused for another reason than the content."""
    executable: JSON = None
    pid: JSON = None
    user: JSON = None
    connection: JSON = None


@dataclass(slots=True)
class RecentDecisions:
    """An ``AuditLog`` that passes everything on, and keeps the newest decisions about proofs at hand."""

    inner: AuditLog
    proofs: dict[str, None] = field(default_factory=dict)
    """The tokens that are open, oldest first."""
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

    def about(self, token: str, tool: str) -> list[Mapping[str, JSON]]:
        """The newest decisions whose destination or request names this tool of a proof, oldest first."""
        return [event for event in self._newest if concerns(_places(event), token, tool)]

    def _note(self, event: Mapping[str, JSON]) -> None:
        if event.get("kind") == "decision" and self.proofs and STEM in _places(event):
            self._newest.append(event)


def _places(event: Mapping[str, JSON]) -> str:
    # A request that contradicts itself is refused before anybody knows its destination.
    return repr((event.get("destination"), event.get("request")))


Protect = Callable[[str, bytes], Awaitable[None]]
"""Put synthetic content into the index under a name, with the strictest tag."""
Release = Callable[[str], Awaitable[None]]
"""Take it out again."""


class SelfTests(Protocol):
    """Where the last self-test is kept."""

    def last(self) -> Mapping[str, JSON] | None:
        """``{"at", "user", "proven", "tools": {name: outcome}, "evidence": {name: verdict}}``; None: never yet."""

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


def _beside(earlier: Mapping[str, JSON] | None, result: Mapping[str, JSON]) -> dict[str, JSON]:
    """A test of some tools, with what an earlier one found of the others: proven is what leaves nothing open in all."""
    merged = {**result}
    for part in ("tools", "evidence"):
        before, now = (earlier or {}).get(part), result[part]
        merged[part] = {**(before if isinstance(before, Mapping) else {}), **(now if isinstance(now, Mapping) else {})}
    tools = merged["tools"]
    merged["proven"] = isinstance(tools, Mapping) and bool(tools) and all(one in PROVEN for one in tools.values())
    return merged


@dataclass(slots=True)
class ProveTools:
    """The use case. ``random`` gives bytes that nobody can guess."""

    recent: RecentDecisions
    protect: Protect
    release: Release
    random: Callable[[int], bytes]
    self_tests: SelfTests = field(default_factory=RememberedSelfTests)

    async def prepare(self) -> dict[str, Any]:
        """New synthetic content: ``{"token", "content"}`` (base64). The oldest goes where too many are open."""
        proofs = self.recent.proofs
        while len(proofs) >= AT_ONCE:
            await self.end(next(iter(proofs)))
        token, content = self.random(8).hex(), self.random(SIZE)
        await self.protect(content_name(token), content)
        proofs[token] = None
        return {"token": token, "content": base64.b64encode(content).decode("ascii")}

    async def conclude(
        self, token: str, tools: Mapping[str, Ending], at: str, user: str, *, part: bool = False
    ) -> Mapping[str, Verdict]:
        """Look up what was decided, record it, and keep it for ``haechi status``. ``tools``: how each ended, by name.
        ``part``: only some tools were tried; what was found of the others before stays beside it.

        Raises ``HaechiError('doctor.unknown-token')``.
        """
        if token not in self.recent.proofs:
            raise HaechiError("doctor.unknown-token")
        found = {name: self._verdict(token, name, ending, user) for name, ending in tools.items()}
        result: dict[str, JSON] = {
            "at": at,
            "user": user,
            "proven": bool(found) and all(one.outcome in PROVEN for one in found.values()),
            "tools": {name: one.outcome.value for name, one in found.items()},
            "evidence": {name: asdict(one) for name, one in found.items()},
        }
        await self.recent.durable(self_test_event(result))
        self.self_tests.keep(_beside(self.self_tests.last(), result) if part else result)
        return found

    async def end(self, token: str) -> None:
        """Forget the content."""
        if token in self.recent.proofs:
            del self.recent.proofs[token]
            await self.release(content_name(token))

    def _verdict(self, token: str, tool: str, ending: Ending, user: str) -> Verdict:
        """Any decision that let it pass weighs more than a refusal before. Questions that a tool asks before it uploads
        (``read``) say nothing about the content, nor does a refusal for anything else (names that disagree).
        """
        seen = [event for event in self.recent.about(token, tool) if _by(event, user)]
        ours = [event for event in seen if _carries(event, token)]
        passed = [
            event
            for event in seen
            if _effect(event) == "allow" and (event in ours or _part(event, "action").get("kind") in CARRYING)
        ]
        if passed:
            return _verdict(Outcome.THROUGH, passed[-1])
        for effect, outcome in (("would_block", Outcome.OBSERVED), ("block", Outcome.REFUSED)):
            proof = next((event for event in ours if _effect(event) == effect), None)
            if proof is not None:
                return _verdict(outcome, proof)
        stopped = next((event for event in reversed(seen) if _effect(event) != "allow"), None)
        if stopped is not None:
            return _verdict(Outcome.UNPROVEN, stopped)
        return Verdict(Outcome.THROUGH if ending is Ending.WELL else Outcome.UNPROVEN)


def _verdict(outcome: Outcome, event: Mapping[str, JSON]) -> Verdict:
    actor, operation = _part(event, "actor"), _part(event, "action").get("operation")
    return Verdict(
        outcome,
        str(event.get("id", "")),
        str(operation or "") if outcome is Outcome.UNPROVEN else "",
        actor.get("executable"),
        actor.get("pid"),
        actor.get("user"),
        event.get("connection"),
    )


def _carries(event: Mapping[str, JSON], token: str) -> bool:
    """Whether this very content was recognised, not only taken for the worst that there is."""
    matches = _part(event, "content").get("matches")
    named = [one.get("name") for one in matches if isinstance(one, Mapping)] if isinstance(matches, Sequence) else []
    return any(isinstance(name, str) and name.rpartition("/")[2] == content_name(token) for name in named)


def _by(event: Mapping[str, JSON], user: str) -> bool:
    """Not by another user: a proof is about the caller's own tools. A user that nobody could find out is let stand."""
    known = _part(event, "actor").get("user")
    return not isinstance(known, str) or known == user


def _effect(event: Mapping[str, JSON]) -> JSON:
    return _part(event, "decision").get("effect")


def _part(event: Mapping[str, JSON], name: str) -> Mapping[str, JSON]:
    part = event.get(name)
    return part if isinstance(part, Mapping) else {}
