"""Judge recorded decisions again under other policies, and tell what would change. Nothing is put in force.

Theory. A recorded decision carries the whole policy input where something was found or recognised; that input, with the
registry's facts of that moment in it, is what the candidate is asked about. Its answer and the candidate's own modes go
through the same ``decide`` as in the agent. What failed in the machinery then is treated as the agent would:

===================================  =============================================================
recorded cause                       when judged again
===================================  =============================================================
of the engine, or no policies        left out: the candidate does answer
of the record (``audit-…``)          kept: such a request is refused, unless in monitor mode
any other (body, index, …)           kept: it would fail again
===================================  =============================================================

A permit that let an upload go is held against the candidate's findings as the agent would hold it.

Every record is counted exactly once: judged, or skipped for a named reason. An answer that is late or lost is asked for
again, alone; one that never comes is a reason to skip, never "unchanged". Memory is constant: counts, bounded tables,
a few examples. Must not know: Rego, files, words.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from haechi.app.questions import EXPECTED, Question, Skip, Unasked, id_of, question_of
from haechi.app.rejudging import Change, again, compared, difference
from haechi.app.tallying import Tally, named_place, named_user
from haechi.domain.decision import Cause
from haechi.domain.errors import HaechiError
from haechi.domain.facts import JSON
from haechi.ports.engine import Answered, PolicyEngine
from haechi.ports.recorded import Batch, DecisionRecords, Recorded, Span

IN_FLIGHT: Final = 64
"""Questions that wait at the worker at once: enough that it never waits for us, few enough that none waits long."""
ATTEMPTS: Final = 7
"""How often an unanswered question is asked again, alone; the pauses between add up to some 12 s, for a worker that has
to be started anew."""
LOST_IN_A_ROW: Final = 5
"""Questions in a row without any answer after which the candidate is given up."""
MOST_REASONS: Final = 200
PASSING: Final = ("engine-late", "engine-crashed")
"""Causes that say nothing about the candidate's answer."""


@dataclass(frozen=True, slots=True)
class Changed:
    """One decision that would change. ``rules`` are those (or causes) that make the difference."""

    id: str
    time: str
    change: Change
    before: str
    after: str
    rules: tuple[str, ...]
    user: str
    destination: str

    def as_json(self) -> dict[str, JSON]:
        """The form of ``haechi replay --details``."""
        return {
            "id": self.id,
            "time": self.time,
            "change": self.change.value,
            "before": self.before,
            "after": self.after,
            "rules": list(self.rules),
            "user": self.user,
            "destination": self.destination,
        }


@dataclass(slots=True)
class Skipped:
    """Records that were skipped for one reason: how many, and where the first ones are."""

    count: int = 0
    examples: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Replayed:
    """What a replay found. ``by_mode`` counts changes of effect without any change of findings: the modes alone differ.
    ``slow`` counts answers that took longer than the agent would wait, ``permitted`` decisions that rest on a permit.
    """

    records: int = 0
    judged: int = 0
    by_mode: int = 0
    slow: int = 0
    again: int = 0
    permitted: int = 0
    first: str = ""
    last: str = ""
    changes: dict[Change, int] = field(default_factory=lambda: dict.fromkeys(Change, 0))
    policies: dict[str, int] = field(default_factory=dict)
    """Recorded decisions by the revision of the policies that made them."""
    rules: Tally = field(default_factory=Tally)
    users: Tally = field(default_factory=Tally)
    destinations: Tally = field(default_factory=Tally)
    skipped: dict[tuple[str, str], Skipped] = field(default_factory=dict)

    @property
    def changed(self) -> int:
        """Decisions that would change in any way."""
        return self.judged - self.changes[Change.UNCHANGED]

    @property
    def incomplete(self) -> int:
        """Records that should have been judged and could not be."""
        return sum(one.count for (reason, _), one in self.skipped.items() if reason not in EXPECTED)

    @property
    def summaries(self) -> int:
        """Allowed uploads in which nothing was recognised: without their input, nobody can judge them again."""
        return sum(one.count for (reason, _), one in self.skipped.items() if reason == Skip.SUMMARY.value)

    def asked(self, recorded: Recorded) -> Question | None:
        """Count a record; what can be asked about it."""
        self.records += 1
        if recorded.time:
            self.first = min(self.first or recorded.time, recorded.time)
            self.last = max(self.last, recorded.time)
        question = question_of(recorded)
        if isinstance(question, Unasked):
            self.skip(question.reason, question.detail, id_of(recorded))
            return None
        policy = str(recorded.event.get("policy") or "")
        if policy in self.policies or len(self.policies) < MOST_REASONS:
            self.policies[policy] = self.policies.get(policy, 0) + 1
        return question

    def skip(self, reason: str, detail: str, example: str) -> None:
        """Count a record that is not judged."""
        key = (reason, detail)
        if key not in self.skipped and len(self.skipped) >= MOST_REASONS:
            key = (reason, "…")
        one = self.skipped.setdefault(key, Skipped())
        one.count += 1
        if len(one.examples) < 3:
            one.examples.append(example)

    def as_json(self) -> dict[str, JSON]:
        """The form of ``haechi replay --json``."""
        return {
            "records": self.records,
            "first": self.first or None,
            "last": self.last or None,
            "judged": self.judged,
            "changed": self.changed,
            "changes": {change.value: count for change, count in self.changes.items()},
            "by_mode": self.by_mode,
            "slow": self.slow,
            "asked_again": self.again,
            "permitted": self.permitted,
            "summaries": self.summaries,
            "complete": self.incomplete == 0,
            "skipped": [
                {"reason": reason, "detail": detail, "count": one.count, "examples": list(one.examples)}
                for (reason, detail), one in sorted(self.skipped.items())
            ],
            "recorded_policies": dict(self.policies),
            "rules": self.rules.as_json(),
            "users": self.users.as_json(),
            "destinations": self.destinations.as_json(),
        }


Progress = Callable[[Batch], None]


@dataclass(slots=True)
class ReplayDecisions:
    """The use case. ``engine`` holds the candidate; ``deadline`` is what the agent allows an answer, in seconds.

    ``pause`` waits so many seconds before a question is asked again.
    """

    records: DecisionRecords
    engine: PolicyEngine
    deadline: float = 0.25
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    _lost: int = 0

    async def __call__(
        self,
        span: Span,
        on_change: Callable[[Changed], None] = lambda changed: None,
        progress: Progress = lambda batch: None,
    ) -> Replayed:
        """Go through all of it. Raises what reading raises, and ``HaechiError('replay.engine-lost')`` where the
        candidate answers nothing any more.
        """
        found = Replayed()
        batches = self.records.batches(span)
        reading = asyncio.ensure_future(asyncio.to_thread(next, batches, None))
        try:
            while (batch := await reading) is not None:
                reading = asyncio.ensure_future(asyncio.to_thread(next, batches, None))
                for changed in await self._judged(batch, found):
                    on_change(changed)
                progress(batch)
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
        return found

    async def _judged(self, batch: Batch, found: Replayed) -> list[Changed]:
        """The changes of one batch, in the log's order."""
        questions = [asked for one in batch.decisions if (asked := found.asked(one)) is not None]
        answers: list[Answered | Cause | None] = [None] * len(questions)
        waiting = iter(enumerate(questions))

        async def lane(numbered: Iterator[tuple[int, Question]]) -> None:
            for number, question in numbered:
                answers[number] = await self.engine.evaluate(question.facts)

        await asyncio.gather(*(lane(waiting) for _ in range(min(IN_FLIGHT, len(questions)))))
        changes = []
        for question, first in zip(questions, answers, strict=True):
            answer = first
            if isinstance(answer, Cause) and answer.code in PASSING:
                found.again += 1
                answer = await self._alone(question)
            changed = self._compared(question, answer, found)
            if changed is not None:
                changes.append(changed)
        return changes

    async def _alone(self, question: Question) -> Answered | Cause:
        """Ask again while nothing else is asked: one input that kills the worker must not take others with it."""
        cause = Cause("engine-late")
        for attempt in range(ATTEMPTS):
            answer = await self.engine.evaluate(question.facts)
            if isinstance(answer, Answered) or answer.code not in PASSING:
                self._lost = 0
                return answer
            cause = answer
            await self.pause(0.1 * 2**attempt)
        self._lost += 1
        if self._lost >= LOST_IN_A_ROW:
            raise HaechiError("replay.engine-lost", cause=cause.code, count=self._lost)
        return cause

    def _compared(self, question: Question, answer: Answered | Cause | None, found: Replayed) -> Changed | None:
        if answer is None or (isinstance(answer, Cause) and answer.code in PASSING):
            found.skip(Skip.UNANSWERED, answer.code if answer else "", id_of(question.recorded))
            return None
        found.judged += 1
        found.permitted += question.permit is not None
        found.slow += isinstance(answer, Answered) and answer.seconds > self.deadline
        modes = self.engine.in_force.modes
        decision = again(
            question.effect,
            question.causes,
            answer,
            modes,
            may_be_tagged=question.may_be_tagged,
            permit=question.permit,
        )
        change, by_mode = compared(question.effect, question.findings, decision)
        found.changes[change] += 1
        found.by_mode += by_mode
        if change is Change.UNCHANGED:
            return None
        event = question.recorded.event
        rules = difference(change, question.effect, question.findings, question.causes, decision, modes)
        changed = Changed(
            id_of(question.recorded),
            question.recorded.time,
            change,
            question.effect.value,
            decision.effect.value,
            rules,
            named_user(event),
            named_place(event),
        )
        for rule in rules:
            found.rules.add(rule, change.value, changed.id)
        found.users.add(changed.user, change.value, changed.id)
        found.destinations.add(changed.destination, change.value, changed.id)
        return changed
