"""What a decision costs: in the engine's worker for an uncached input, and through the assessor for a repeated one.

Both ask the same question, built by the product's own builder from whole facts: a body that nobody looked into, on a
machine that protects several technologies, so that the worst of each is assumed, toward a stranger's bucket abroad
whose every setting is known. That is about 4 KB of input, and of the largest inputs the only kind whose verdict may be
repeated: one on recognised content never is. A second input, an archive with excerpts of several protected files, is
shown beside it. OPA's own evaluator answers the first question too (``opa bench``, in its process, input parsed
already): it tells a slow machine from slow rules.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from haechi.app.assessing import Assessor, Circumstances
from haechi.domain.content import Content, ContentState, Match, MatchHow
from haechi.domain.destination import Destination, KeyFacts
from haechi.domain.tags import Funding, Grade, Tag
from haechi.domain.upload import Location
from haechi.outbound.clock import SystemClock
from haechi.outbound.engine.compiler import Compiler, located
from haechi.outbound.engine.interpreted import DECISION
from haechi.outbound.engine.worker_engine import WorkerEngine
from haechi.outbound.ledger.sent import SqliteSentLedger
from haechi.ports.engine import Answered

from tests.policy import opa
from tests.policy.base import ACTION, ACTOR, DESTINATION, NOW, REGISTRY

ROUNDS = 3000
WARM = 300
TECHNOLOGIES = ("SEM-01", "SEM-02", "DSP-01", "BAT-01")
STRANGER = "999988887777"
PLACE = Location("aws", "exchange-tokyo", "", "ap-northeast-1", "s3.ap-northeast-1.amazonaws.com")
TAGS = tuple(Tag(code, Grade.A, Funding.GOVERNMENT, "process-integration", NOW) for code in TECHNOLOGIES)


@dataclass(frozen=True, slots=True)
class Measured:
    """Milliseconds, and the size of the inputs in bytes of JSON. ``recognised``: several matches, never cached.
    ``opa``: the median of OPA's evaluator on the first input.
    """

    p50: float
    p99: float
    cached: float
    size: int
    recognised: float
    recognised_size: int
    opa: float


class Stranger:
    """Somebody else's bucket abroad, and its key: answers at once."""

    facts_of_it = dataclasses.replace(
        DESTINATION,
        container=PLACE.container,
        region="ap-northeast-1",
        country="JP",
        account=STRANGER,
        encryption=dataclasses.replace(
            DESTINATION.encryption,
            key=KeyFacts(
                f"arn:aws:kms:ap-northeast-1:{STRANGER}:key/0a1b2c3d-0000-4000-8000-00000000aaaa",
                STRANGER,
                "ap-northeast-1",
                "JP",
                "AWS_KMS",
                "customer",
                False,
                True,
            ),
        ),
        read_at=SystemClock().now(),
    )

    def cached(self, place: Location) -> Destination | None:
        """See ``ports.destinations``."""
        return self.facts_of_it

    async def facts(self, place: Location) -> Destination:
        """See ``ports.destinations``."""
        return self.facts_of_it

    def forget(self, place: Location) -> None:
        """See ``ports.destinations``."""

    async def key(self, place: Location, key_id: str) -> KeyFacts:
        """See ``ports.destinations.Keys``."""
        return KeyFacts()


class Protecting:
    """The index of a machine that protects several technologies."""

    empty, ready = False, True

    def worst_tags(self) -> tuple[Tag, ...]:
        """See ``ports.index``."""
        return TAGS


class Verified:
    """A registry that never changes."""

    revision, facts = "r7", REGISTRY.facts

    @property
    def in_force(self) -> Verified:
        """See ``ports.registry``."""
        return self


def archive() -> Content:
    """Excerpts of several protected files in one body."""
    matches = tuple(
        Match(f"blake3:{number:064x}", f"recipes/{tag.technology}/lot.csv", (tag,), MatchHow.PARTIAL, 65536, 1 << 20)
        for number, tag in enumerate(TAGS[:3])
    )
    return Content(ContentState.MATCHED, matches, 1 << 20, "blake3:" + "ab" * 32)


async def decisions(policies: Path) -> Measured:
    """All of it, one after another, in one worker."""
    engine = WorkerEngine(policies, 1000, compiler=Compiler(located()))
    await engine.start()
    place = tempfile.TemporaryDirectory(prefix="haechi-bench-")
    try:
        stranger, clock = Stranger(), SystemClock()
        sent = SqliteSentLedger(Path(place.name) / "sent.sqlite", clock)
        assessor = Assessor(engine, stranger, stranger, Verified(), Protecting(), clock, sent)  # type: ignore[arg-type]
        action = dataclasses.replace(ACTION, destination=PLACE)
        about = Circumstances(action, ACTOR, "https", f"{PLACE.container}.s3.ap-northeast-1.amazonaws.com")
        worst = assessor.worst_case()
        facts, cached = (await assessor.assess(about, worst)).facts, []
        for _ in range(WARM + ROUNDS):
            begun = time.perf_counter()
            made = await assessor.assess(about, worst)
            cached.append(time.perf_counter() - begun)
            if not made.cached:
                raise RuntimeError("a repeated question was not answered from the cache")
        taken = await uncached(engine, facts)
        several = (await assessor.assess(about, archive())).facts
        recognised = await uncached(engine, several)
    finally:
        place.cleanup()
        await engine.stop()
    return Measured(
        at(taken, 0.5),
        at(taken, 0.99),
        at(cached[WARM:], 0.5),
        size(facts),
        at(recognised, 0.5),
        size(several),
        by_opa(policies, facts),
    )


def by_opa(policies: Path, facts: Mapping[str, Any]) -> float:
    """Milliseconds that OPA's evaluator takes for the same rules and input, at the median."""
    with tempfile.TemporaryDirectory(prefix="haechi-bench-") as place:
        question = Path(place, "input.json")
        question.write_text(json.dumps(facts), encoding="utf-8")
        left_out = [f"--ignore={name}" for name in ("*_test.rego", "cases", "schema", "words.yaml", "examples")]
        command = [opa.binary(), "bench", "--format=json", f"--bundle={policies}", *left_out, f"--input={question}"]
        command.append(DECISION)
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    nanoseconds: float = json.loads(said)["Extra"]["histogram_timer_rego_query_eval_ns_median"]
    return nanoseconds / 1e6


async def uncached(engine: WorkerEngine, facts: Mapping[str, Any]) -> list[float]:
    """Seconds in the worker, of inputs that all differ, as uploads do."""
    taken = []
    for number in range(WARM + ROUNDS):
        one = json.loads(json.dumps(facts))
        one["content"]["digest"] = f"blake3:{number:064x}"
        answer = await engine.evaluate(one)
        if not isinstance(answer, Answered) or not answer.findings:
            raise RuntimeError(f"the engine failed, or found nothing: {answer}")
        taken.append(answer.seconds)
    return taken[WARM:]


def at(seconds: list[float], share: float) -> float:
    """Milliseconds at a share of the sorted list."""
    return sorted(seconds)[int((len(seconds) - 1) * share)] * 1000


def size(facts: Mapping[str, Any]) -> int:
    """Bytes as they go to the worker."""
    return len(json.dumps(facts).encode())


def measure(policies: Path) -> Measured:
    """The same, from synchronous code."""
    return asyncio.run(decisions(policies))
