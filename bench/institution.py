"""What a decision costs in a large institution: the whole rule set, with a registry that names everything it may name.

Each question is built and asked as the agent does: the registry's facts through its public interface, the policy
input, the engine. ``decision_full`` is the registry's time and the engine's own, as ``decision_p50`` is the engine's.
The same inputs go to an OPA server on loopback, over opa-python-client, in the same run, a hundred by turns: what
slows the machine slows both. The ratio is of round trips, from the input to the findings in hand. The parts are shown.
One by one, each finds the processor's caches full of the other (``alternating``: ours then): no agent runs beside a
second engine.

    python -m bench.institution
"""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from haechi.domain.actor import Actor, Certainty
from haechi.domain.issue import Issue
from haechi.domain.policy import policy_input
from haechi.domain.registry import (
    Authorisation,
    AuthorisationKind,
    AuthorisationStatus,
    Exemption,
    NamedPlace,
    Period,
    Person,
    Reach,
    RegistryData,
    RegistryIndex,
)
from haechi.outbound.engine.bundle import build, sign
from haechi.outbound.engine.compiler import Compiler, located
from haechi.outbound.engine.folder import read
from haechi.outbound.engine.opa_engine import OpaEngine
from haechi.outbound.engine.opa_server import OpaAddress
from haechi.outbound.engine.worker_engine import WorkerEngine
from haechi.outbound.trust import SigningKey
from haechi.ports.engine import Answered, PolicyEngine

from bench.decisions import PLACE, TAGS, Stranger, archive, at
from tests.lab.issues import served
from tests.policy import opa
from tests.policy.base import ACTION, NOW, REGISTRY

APPROVALS, PERSONNEL = 100_000, 20_000
EXCEPTIONS = 10_000
"""Exemptions with their basis: what of exceptions stands in a registry. Signed ones are not searched through: an agent
holds at most a thousand, each for one object.
"""
ROUNDS, WARM, TURN = 2000, 200, 100


@dataclass(frozen=True, slots=True)
class Full:
    """Milliseconds, medians but for ``p99``. ``facts`` is the registry's part, ``round_trip`` what the worker takes
    from the input to the findings in hand, ``opa`` the same of the server. ``alternating``: as ``p50``, with a question
    to the server after each. ``index_s``: seconds to make it.
    """

    p50: float
    p99: float
    facts: float
    round_trip: float
    opa: float
    alternating: float
    index_s: float


def registry() -> RegistryData:
    """The institution's registry: approvals as they come, most of them for one content each, some for everything."""
    plain = REGISTRY.data
    granted = Period(NOW - dt.timedelta(days=30), NOW + dt.timedelta(days=300))

    def reach(number: int) -> Reach:
        comprehensive = number % 5000 == 0
        return Reach(
            frozenset({f"X-{number % 500:03}", TAGS[number % len(TAGS)].technology if number % 997 == 0 else "X-000"}),
            (NamedPlace("aws", ("JP", "US", "DE", "VN")[number % 4]),),
            frozenset() if comprehensive else frozenset({f"blake3:{number:064x}"}),
            comprehensive,
            granted,
        )

    approvals = tuple(
        Authorisation(
            f"AP-{number}",
            AuthorisationKind.APPROVAL if number % 2 else AuthorisationKind.DECLARATION,
            AuthorisationStatus.GRANTED,
            reach(number),
        )
        for number in range(APPROVALS)
    )
    exemptions = tuple(
        Exemption(f"EX-{number}", "public-seminar", f"document {number}", reach(number * 9 + 1))
        for number in range(EXCEPTIONS)
    )
    people = tuple(
        Person(f"P-{number:05}", f"name {number}", (f"user{number}",), (f"AKIAEXAMPLE{number:09}",))
        for number in range(PERSONNEL)
    )
    return dataclasses.replace(
        plain, authorisations=approvals, exemptions=exemptions, personnel=(*plain.personnel, *people)
    )


class Asking:
    """Questions that all differ, as uploads do: another person, another content."""

    def __init__(self, index: RegistryIndex) -> None:
        self._index = index
        self._action = dataclasses.replace(ACTION, destination=PLACE)
        self.looked_up: list[float] = []

    def question(self, number: int) -> dict[str, object]:
        """One policy input."""
        actor = Actor(f"user{number * 7 % PERSONNEL}", 1001, number, "/usr/bin/python3", 99, "x", Certainty.EXACT)
        content = dataclasses.replace(archive(), digest=f"blake3:{number:064x}")
        begun = time.perf_counter()
        known = self._index.facts(PLACE, actor, content, NOW, f"AKIAEXAMPLE{number:09}")
        self.looked_up.append(time.perf_counter() - begun)
        return policy_input(
            now=NOW, action=self._action, actor=actor, content=content, registry=known,
            destination=Stranger.facts_of_it, source=None, scheme="https", host=PLACE.endpoint, consistent=True,
        )  # fmt: skip


async def asked(engine: PolicyEngine, facts: dict[str, object]) -> float:
    """Seconds in the engine. Raises where it has no findings: what was measured would be something else."""
    answer = await engine.evaluate(facts)  # type: ignore[arg-type]
    if not isinstance(answer, Answered) or not answer.findings:
        raise RuntimeError(f"the engine failed, or found nothing: {answer}")
    return answer.seconds


async def full(policies: Path, rounds: int = ROUNDS) -> Full:
    """Worker and server by turns."""
    begun = time.perf_counter()
    asking = Asking(RegistryIndex(registry()))
    built = time.perf_counter() - begun
    with tempfile.TemporaryDirectory(prefix="haechi-bench-") as place:
        issue, key = Issue(1, dt.datetime(2026, 1, 1, tzinfo=dt.UTC)), SigningKey.generate()
        bundle = sign(build(read(policies), issue), policies, key)
        with opa.server(*served(Path(place), bundle, key)) as port:
            worker = WorkerEngine(policies, 5000, compiler=Compiler(located()))
            server = OpaEngine(policies, OpaAddress(f"http://127.0.0.1:{port}"), 5000)
            await worker.start()
            await server.start()
            try:
                ours, theirs = await by_turns(asking, worker, server, WARM + rounds, TURN)
                one_by_one, _ = await by_turns(asking, worker, server, max(rounds // 4, 1), 1)
            finally:
                await server.stop()
                await worker.stop()
    ours, theirs = ours[WARM:], theirs[WARM:]
    took = [one.looked_up + one.engine for one in ours]
    return Full(
        at(took, 0.5),
        at(took, 0.99),
        at([one.looked_up for one in ours], 0.5),
        at([one.round_trip for one in ours], 0.5),
        at(theirs, 0.5),
        at([one.looked_up + one.engine for one in one_by_one], 0.5),
        built,
    )


@dataclass(frozen=True, slots=True)
class Ours:
    """Seconds of one question: in the registry, in the worker's engine, and from the input to the findings."""

    looked_up: float
    engine: float
    round_trip: float


async def by_turns(
    asking: Asking, worker: PolicyEngine, server: PolicyEngine, rounds: int, turn: int
) -> tuple[list[Ours], list[float]]:
    """``turn`` questions to the one, the same to the other, until each had ``rounds``."""
    ours, theirs = list[Ours](), list[float]()
    while len(ours) < rounds:
        questions = []
        for number in range(len(ours), min(len(ours) + turn, rounds)):
            questions.append(asking.question(number))
            begun = time.perf_counter()
            seconds = await asked(worker, questions[-1])
            ours.append(Ours(asking.looked_up[-1], seconds, time.perf_counter() - begun))
        for question in questions:
            theirs.append(await asked(server, question))
    return ours, theirs


def measure(policies: Path) -> Full:
    """The same, from synchronous code."""
    return asyncio.run(full(policies))


if __name__ == "__main__":
    print(measure(Path(__file__).resolve().parents[1] / "policies"))
