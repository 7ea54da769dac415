"""What a change of policies costs whoever asks meanwhile: the longest extra wait because of a swap.

A stream of questions goes to the engine as the agent asks it: on one event loop, with the compiled policies in the
worker. Meanwhile other policies are put in force again and again, in the way of a bundle: read, compiled, loaded into a
second worker, swapped. A loop that stands still is seen by a timer beside the questions. The pause of a swap is the
longest wait of a question that was open while the swap was taking place, or of the timer, beyond the median of those
while none was. Two figures are
shown apart: the exchange itself (from when the second worker is ready to when the first was let go), which is
what makes questions wait by design, and the whole change, where reading, the compiler and the new worker take
processor time from the one that answers: on a machine with few cores that is the scheduler's share and no wait of ours.
"""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import logging
import statistics
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from haechi.domain.issue import Issue
from haechi.outbound.engine.bundle import build, opened, sign
from haechi.outbound.engine.compiler import Compiler, located
from haechi.outbound.engine.folder import PolicyFolder, read
from haechi.outbound.engine.probe import probe_input
from haechi.outbound.engine.worker_engine import WorkerEngine
from haechi.outbound.trust import SigningKey
from haechi.ports.engine import Answered

SWAPS = 20
EVERY_S = 0.002
"""Seconds between questions: more often than a busy workstation uploads."""
AROUND_S = 0.02
"""Seconds before and after the exchange whose questions count as its own."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Milliseconds. ``pause`` is the longest over all swaps of the exchange's extra wait, of questions and of the
    loop; ``middle`` the median over swaps; ``change`` the longest extra wait while anything of a change went on;
    ``calm`` the longest over as many spans, as long, in which nothing was swapped: what the machine does by itself.
    """

    steady: float
    pause: float
    middle: float
    change: float
    calm: float
    swaps: int


@dataclass(slots=True)
class _Stream:
    """Questions and timers, each as (due, wait) in seconds."""

    engine: WorkerEngine
    facts: Mapping[str, Any]
    questions: list[tuple[float, float]] = dataclasses.field(default_factory=list)
    ticks: list[tuple[float, float]] = dataclasses.field(default_factory=list)

    async def ask(self) -> None:
        """Ask for ever, one question at a time. Raises ``RuntimeError`` where one is not answered."""
        while True:
            asked = time.perf_counter()
            answer = await self.engine.evaluate(self.facts)
            if not isinstance(answer, Answered):
                raise RuntimeError(f"a question failed during a swap: {answer}")
            self.questions.append((asked, time.perf_counter() - asked))
            await asyncio.sleep(EVERY_S)

    async def tick(self) -> None:
        """Note for ever how late a timer of the loop is."""
        while True:
            due = time.perf_counter() + EVERY_S
            await asyncio.sleep(EVERY_S)
            self.ticks.append((due, max(time.perf_counter() - due, 0)))


def measure(policies: Path) -> Measured:
    """The same, from synchronous code."""
    return asyncio.run(swaps(policies))


async def swaps(policies: Path) -> Measured:
    """Measure. Raises ``RuntimeError`` where a question was not answered."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    signing, folder = SigningKey.generate(), await asyncio.to_thread(read, policies)
    bundles = [await asyncio.to_thread(_bundle, folder, number, signing) for number in range(1, SWAPS + 2)]
    with tempfile.TemporaryDirectory(prefix="haechi-bench-") as place:
        engine = WorkerEngine(policies, deadline_ms=5000, hang=5, compiler=Compiler(located(), Path(place)))
        await engine.put_in_force(opened(bundles[0], policies))
        stream = _Stream(engine, probe_input())
        running = [asyncio.create_task(stream.ask()), asyncio.create_task(stream.tick())]
        try:
            await asyncio.sleep(1)
            during, exchanges = [], []
            for bundle in bundles[1:]:
                await asyncio.sleep(0.3)
                began = time.perf_counter()
                ready: list[float] = []

                async def confirm(ready: list[float] = ready) -> None:
                    ready.append(time.perf_counter())

                await engine.put_in_force(await asyncio.to_thread(opened, bundle, policies), confirm)
                ended = time.perf_counter()
                during.append((began, ended + AROUND_S))
                exchanges.append((ready[0] - AROUND_S, ended + AROUND_S))
            await asyncio.sleep(0.5)
        finally:
            for task in running:
                task.cancel()
            ended_by = await asyncio.gather(*running, return_exceptions=True)
            await engine.stop()
    failed = [error for error in ended_by if not isinstance(error, asyncio.CancelledError)]
    if failed:
        raise RuntimeError(f"the stream ended: {failed[0]}")
    return _figures(stream, during, exchanges)


def _bundle(folder: PolicyFolder, number: int, signing: SigningKey) -> bytes:
    issue = Issue(number, dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
    return sign(build(folder, issue), folder.path, signing)


def _figures(stream: _Stream, during: list[tuple[float, float]], exchanges: list[tuple[float, float]]) -> Measured:
    kinds = (stream.questions, stream.ticks)

    def within(kind: list[tuple[float, float]], spans: list[tuple[float, float]]) -> list[float]:
        return [wait for due, wait in kind if any(start <= due + wait and due <= end for start, end in spans)]

    calm = []
    for kind in kinds:
        gaps = list(
            zip([0.0, *(end for _, end in during)], [*(start for start, _ in during), kind[-1][0]], strict=True)
        )
        calm.append(statistics.median(within(kind, gaps)))

    def extra(span: tuple[float, float]) -> float:
        return max(max(within(kind, [span]), default=0.0) - usual for kind, usual in zip(kinds, calm, strict=True))

    pauses = [max(extra(span), 0.0) * 1000 for span in exchanges]
    change = max(extra(span) for span in during) * 1000
    quiet = max(
        extra((start - (end - began), start)) for (began, end), (start, _) in zip(exchanges, during, strict=True)
    )
    return Measured(calm[0] * 1000, max(pauses), statistics.median(pauses), change, quiet * 1000, len(exchanges))
