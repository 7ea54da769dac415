"""From facts to a decision: gather, ask the engine, decide. The one place where a verdict is made.

Every way in (proxy, redirect, ``haechi check``, guards) uses it. What it must not know: HTTP, bodies, records.

Theory of the cache. A verdict may be reused while its policy, registry, destination facts and actor are the same. For
content in which nothing was recognised the policy input is *reduced*: object name and other texts in the clear (but not
the sensitive words found in them), size, digest, upload id and process number are left out, so that the policy cannot
depend on them and the same verdict holds for the next such upload (ages of facts are those of the first, at most
``CACHE_SECONDS`` younger). Verdicts on recognised content are never reused.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

from haechi.app.surroundings import FactsInTime
from haechi.domain.actor import Actor
from haechi.domain.content import Content, ContentState, Match, MatchHow, union
from haechi.domain.decision import Cause, Decision, Modes, decide
from haechi.domain.destination import Destination
from haechi.domain.disclosure import SensitiveWord, sensitive_words
from haechi.domain.errors import HaechiError
from haechi.domain.facts import JSON, Unknown
from haechi.domain.permit import Permit, Unfit
from haechi.domain.policy import NO_ISSUE, policy_input
from haechi.domain.reads import ReadFacts, none_read
from haechi.domain.tags import Funding, Grade, Tag
from haechi.domain.upload import Action, ActionKind
from haechi.ports.clock import Clock
from haechi.ports.destinations import Destinations, Keys
from haechi.ports.engine import Answered, PolicyEngine
from haechi.ports.index import ContentIndex
from haechi.ports.objects import SentLedger
from haechi.ports.reads import Reads, Unwatched
from haechi.ports.registry import Registry

CACHE_SECONDS = 30.0
"""How long a verdict on unrecognised content may be reused; a limit of this project's choosing."""
CACHE_ENTRIES = 4096
CUMULATIVE_DAYS = 30
"""Over how many Korean days what a person sends adds up. No document gives a period; this is the project's choice."""
UNDETERMINED = Tag("OFFICIAL-PENDING", Grade.A, Funding.UNKNOWN)
"""What an uninspected body may carry while no tag at all is known yet: material that waits for determination (R01)."""


def _assumed(tags: tuple[Tag, ...]) -> Content:
    """Content that nobody saw, taken for what these tags are on."""
    return Content(ContentState.MATCHED, (Match("*", "", tags, MatchHow.WORST_CASE),))


UNSEEN = _assumed((UNDETERMINED,))
"""The worst case where not even the tags on this machine can be read."""


@dataclass(frozen=True)  # no slots: the reduced form is made once
class Circumstances:
    """What is the same for all questions about one request."""

    action: Action
    actor: Actor
    scheme: str
    host: str
    consistent: bool = True
    since: float | None = field(default=None, compare=False)
    """When the judgement began, on the monotonic clock; None: with each question."""

    @cached_property
    def reduced(self) -> Circumstances:
        """The same without what belongs to this one object and process."""
        action, where = self.action, self.action.destination
        if where is not None and where.key and action.kind is ActionKind.UPLOAD:
            where = dataclasses.replace(where, key="")
        body = dataclasses.replace(action.body, wire_length=None, decoded_length=None, boundary="")
        action = dataclasses.replace(action, destination=where, body=body, assembly=None, said=())
        return dataclasses.replace(self, action=action, actor=_whoever_runs(self.actor))


@lru_cache(maxsize=256)
def _whoever_runs(actor: Actor) -> Actor:
    """The same person and program in any process."""
    left_out = Unknown("left-out")
    return dataclasses.replace(actor, pid=left_out, started=left_out)


@dataclass(frozen=True, slots=True)
class Assessment:
    """A decision with all that it rests on, for record and explanation.

    ``modes`` are those of the policies that answered: others may be in force before the judgement ends. ``permit`` is
    what let it go, ``unfit`` those of the user's that did not.
    """

    decision: Decision
    content: Content
    facts: Mapping[str, JSON]
    policy: str
    registry: str
    modes: Modes
    seconds: float = 0.0
    cached: bool = False
    destination: Destination | None = None
    permit: Permit | None = None
    unfit: tuple[Unfit, ...] = ()


@dataclass(slots=True)
class _Entry:
    at: float
    assessment: Assessment


@dataclass(slots=True)
class Assessor:
    """Answers "may this content go there?" from live facts, the registry and the policy."""

    engine: PolicyEngine
    destinations: Destinations
    keys: Keys
    registry: Registry
    index: ContentIndex
    clock: Clock
    sent: SentLedger
    policy_facts: Callable[[dt.datetime], Mapping[str, JSON]] = lambda now: NO_ISSUE
    """What rules may know of the policies in force."""
    reads: Reads = field(default_factory=Unwatched)
    _cache: OrderedDict[object, _Entry] = field(default_factory=OrderedDict)

    @property
    def _facts_in_time(self) -> FactsInTime:
        return FactsInTime(self.destinations, self.keys, self.clock)

    async def places(self, action: Action) -> tuple[Destination | None, Destination | None]:
        """The live facts of destination and copy source; None where the action names no container."""
        return await self._facts_in_time.places(action)

    def worst_case(self) -> Content:
        """What a body that nobody looked into may carry: the strictest tags of all protected content, in the clear."""
        if self.index.empty:
            return Content(ContentState.NOT_INSPECTED)
        tags = self.index.worst_tags() or (UNDETERMINED,)
        return _assumed(tags)

    async def assess(self, about: Circumstances, content: Content) -> Assessment:
        """Decide. Never raises for what provider, policy or engine did wrong: those are unknown facts and causes."""
        around = await self._facts_in_time.around(about.action, about.since)
        said, actor = about.action.said, about.actor
        reads = await self._reads(actor, content)
        reusable = _reusable(content)
        if reusable:
            about = about.reduced
        # One set of policies and one registry from here on: the answer and what is made of it belong together, whatever
        # is put in force meanwhile. Nothing is waited for before the engine is asked.
        policies, registry = self.engine.in_force, self.registry.in_force
        words = sensitive_words(said, content, policies.sensitive_words)
        key: object = None
        if reusable:
            revisions = (policies.revision, registry.revision)
            key = (revisions, words, reads, about, around.revisions, content.state, content.matches, content.notes)
        known = self._known(key)
        if known is not None:
            return dataclasses.replace(known, content=content, cached=True)
        now = self.clock.now()
        facts = policy_input(
            now=now,
            action=about.action,
            actor=about.actor,
            destination=around.destination,
            source=around.source,
            content=Content(content.state, content.matches, notes=content.notes) if reusable else content,
            registry=registry.facts(about.action.destination, about.actor, content, now, about.action.access_key),
            scheme=about.scheme,
            host=about.host,
            consistent=about.consistent,
            request_key=around.request_key,
            targets=around.targets,
            sent=self._sent(about, content),
            policy=self.policy_facts(now),
            words=words,
            reads=reads,
        )
        answer = await self.engine.evaluate(facts)
        if isinstance(answer, Answered):
            decision, seconds = decide(answer.findings, policies.modes), answer.seconds
        else:
            decision, seconds = decide((), policies.modes, (answer,), may_be_tagged=self._may_be_tagged(content)), 0.0
        made = Assessment(
            decision,
            content,
            facts,
            policies.revision,
            registry.revision,
            policies.modes,
            seconds,
            destination=around.destination,
        )
        if key is not None and isinstance(answer, Answered):
            self._remember(key, made)
        return made

    def words_in(self, action: Action) -> tuple[SensitiveWord, ...]:
        """Sensitive words in what a request says in the clear, whichever protected content will follow it."""
        if not action.said:
            return ()
        worst = self.worst_case()
        content = worst if worst.matches else UNSEEN
        return sensitive_words(action.said, content, self.engine.in_force.sensitive_words)

    async def _reads(self, actor: Actor, content: Content) -> ReadFacts | None:
        """What the actor read before; asked only of what nobody could look into. Without any tagged content there was
        nothing to read, whoever looked.
        """
        if content.state is not ContentState.OPAQUE:
            return None
        window = self.engine.in_force.read_window
        facts = await self.reads.of(actor, window)
        return facts if facts.known or self._may_be_tagged(content) else none_read(window)

    def _sent(self, about: Circumstances, content: Content) -> Mapping[str, int] | Unknown:
        """What the same person sent there before, of what is in it now."""
        place, user = about.action.destination, about.actor.user
        if place is None or not any(match.share < 1.0 for match in content.matches):
            return {}
        digests = (match.digest for match in content.matches)
        try:
            return self.sent.before("" if isinstance(user, Unknown) else user, place, digests, CUMULATIVE_DAYS)
        except HaechiError as error:
            return Unknown(error.code.replace(".", "-"))

    def failed(self, about: Circumstances, content: Content, cause: Cause) -> Assessment:
        """The decision when our own machinery failed before the policy could be asked."""
        policies = self.engine.in_force
        decision = decide((), policies.modes, (cause,), may_be_tagged=self._may_be_tagged(content))
        return Assessment(decision, content, {}, policies.revision, self.registry.in_force.revision, policies.modes)

    async def unseen(self, about: Circumstances, content: Content, cause: Cause) -> Assessment:
        """The decision where ``cause`` kept us from seeing all that a request carries; ``content`` is what was seen.

        A client chooses what its body looks like, so the fail mode alone must not answer: the policy is asked about the
        worst that may be in it, beside what was recognised, and rules that are enforced stay so in any mode.
        """
        if not self._may_be_tagged(content):
            return self.failed(about, content, cause)
        try:
            worst = self.worst_case()
        except HaechiError:
            worst = UNSEEN
        try:
            made = await self.assess(about, union([content, worst]))
        except HaechiError:  # our own stores, where they are asked for it: there is only the fail mode left
            return self.failed(about, content, cause)
        return self.hindered(made, cause)

    def hindered(self, made: Assessment, cause: Cause) -> Assessment:
        """A decision that could not be prepared to be carried out: the cause stands beside what was found."""
        decision = made.decision
        causes = (*decision.causes, cause)
        decision = decide(decision.findings, made.modes, causes, may_be_tagged=self._may_be_tagged(made.content))
        return dataclasses.replace(made, decision=decision, permit=None)

    def _may_be_tagged(self, content: Content) -> bool:
        """Only what was read whole, or what a machine without any protected content sends, is known to be harmless."""
        if content.state is ContentState.MATCHED or not self.index.ready:
            return True
        try:
            return content.state is not ContentState.CLEAN and not self.index.empty
        except HaechiError:
            return True

    def _known(self, key: object) -> Assessment | None:
        entry = self._cache.get(key) if key is not None else None
        if entry is None or self.clock.monotonic() - entry.at > CACHE_SECONDS:
            return None
        return entry.assessment

    def _remember(self, key: object, made: Assessment) -> None:
        self._cache[key] = _Entry(self.clock.monotonic(), made)
        self._cache.move_to_end(key)
        while len(self._cache) > CACHE_ENTRIES:
            self._cache.popitem(last=False)


def _reusable(content: Content) -> bool:
    """Nothing was recognised, or nothing was looked at and the worst is assumed: neither depends on this very body."""
    return all(match.how is MatchHow.WORST_CASE for match in content.matches)
