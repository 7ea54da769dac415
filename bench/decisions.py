"""What a decision costs: in the engine's worker for an uncached input, and through the assessor for a repeated one."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from haechi.app.assessing import Assessor, Circumstances
from haechi.domain.actor import Actor
from haechi.domain.content import Content, ContentState
from haechi.domain.destination import Destination, KeyFacts
from haechi.domain.upload import Action, ActionKind, Location
from haechi.outbound.clock import SystemClock
from haechi.outbound.engine.worker_engine import WorkerEngine
from haechi.ports.engine import Answered

ROUNDS = 3000
WARM = 300


class _Fixed:
    """Destination, registry and index that answer at once."""

    revision: Any = "r1"
    empty = False
    ready = True

    def __init__(self, place: Location) -> None:
        self._facts = Destination(
            "aws", place.container, exists=True, region="ap-northeast-2", country="KR", revision="d1"
        )

    def cached(self, place: Location) -> Destination | None:
        return self._facts

    async def facts(self, place: Location) -> Any:
        return self._facts

    async def key(self, place: Location, key_id: str) -> KeyFacts:
        return KeyFacts()

    def worst_tags(self) -> tuple[()]:
        return ()


class _Registry:
    revision = "r1"

    @property
    def in_force(self) -> _Registry:
        return self

    def facts(self, *arguments: object, **named: object) -> Mapping[str, Any]:
        return {"unknown": "registry-missing"}


async def decisions(facts: Mapping[str, Any], policies: Path) -> dict[str, float]:
    """``p50``, ``p99`` of the worker's own time and ``cached`` of a repeated question, in ms; ``input`` bytes."""
    engine = WorkerEngine(policies, 1000)
    await engine.start()
    try:
        taken = []
        for number in range(WARM + ROUNDS):
            # Every input differs, as uploads do.
            one = json.loads(json.dumps(facts))
            one["content"]["digest"] = f"blake3:{number:064x}"
            answer = await engine.evaluate(one)
            if not isinstance(answer, Answered):
                raise RuntimeError(f"the engine failed: {answer}")
            taken.append(answer.seconds)
        taken = sorted(taken[WARM:])
        place = Location("aws", "bench-bucket", "key", "ap-northeast-2", "s3.ap-northeast-2.amazonaws.com")
        fixed = _Fixed(place)
        assessor = Assessor(engine, fixed, fixed, _Registry(), fixed, SystemClock())  # type: ignore[arg-type]
        about = Circumstances(Action("aws", "s3", "PutObject", ActionKind.UPLOAD, place), Actor(), "https", "host")
        content, cached = Content(ContentState.CLEAN, size=4096, digest="blake3:00"), []
        for _ in range(WARM + ROUNDS):
            begun = time.perf_counter()
            made = await assessor.assess(about, content)
            cached.append(time.perf_counter() - begun)
        if not made.cached:
            raise RuntimeError("the repeated question was not answered from the cache")
        cached = sorted(cached[WARM:])
    finally:
        await engine.stop()
    return {
        "p50": taken[len(taken) // 2] * 1000,
        "p99": taken[int(len(taken) * 0.99)] * 1000,
        "cached": cached[len(cached) // 2] * 1000,
        "input": len(json.dumps(facts)),
    }


def measure(facts: Mapping[str, Any], policies: Path) -> dict[str, float]:
    """The same, from synchronous code."""
    return asyncio.run(decisions(facts, policies))
