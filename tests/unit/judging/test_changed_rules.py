"""Policies and registries that change while uploads are judged."""

from __future__ import annotations

import dataclasses

import pytest
from haechi.app.assessing import Circumstances
from haechi.domain.content import Content, ContentState
from haechi.domain.decision import Cause, Effect, Mode, Modes
from haechi.domain.upload import Action, ActionKind, Location, Request
from haechi.outbound.engine.worker_engine import WorkerEngine
from haechi.ports.judge import Connection

from tests.fakes import FixedRegistry
from tests.policy.base import ACTOR, REGISTRY
from tests.unit.judging.conftest import HOST, Case, noise

pytestmark = pytest.mark.asyncio
PLACE = Location("aws", "abroad", "a", "us-east-1", HOST)
ABOUT = Circumstances(Action("aws", "s3", "PutObject", ActionKind.UPLOAD, PLACE), ACTOR, "https", HOST)
CLEAN = Content(ContentState.CLEAN, size=10, digest="blake3:" + "0" * 64)


def tagged(case: Case) -> Content:
    secret = case.tag("recipe", noise(1, 200_000))
    scan = case.index.scan()
    scan.feed(secret)
    return scan.finish()


async def test_a_decision_is_made_of_the_policies_that_answered(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    assessor, content = case.judge.assessor, tagged(case)
    answering, earlier = WorkerEngine.evaluate, assessor.engine.in_force
    later = dataclasses.replace(earlier, modes=Modes(Mode.MONITOR), revision="blake3:later")

    async def evaluate(engine, facts):
        answer = await answering(engine, facts)
        monkeypatch.setattr(WorkerEngine, "in_force", later)
        return answer

    monkeypatch.setattr(WorkerEngine, "evaluate", evaluate)
    made = await assessor.assess(ABOUT, content)
    assert (made.decision.effect, made.policy) == (Effect.BLOCK, earlier.revision)
    # Nor do the later ones say what becomes of it in the end.
    assert assessor.hindered(made, Cause("ledger-failed", {})).decision.effect is Effect.BLOCK
    connection = Connection("127.0.0.1", 40000)
    settled = await case.judge.conclude(connection, Request("PUT", "https", HOST, "/a"), ABOUT, made, "")
    assert settled.decision.effect is Effect.BLOCK
    made = await assessor.assess(ABOUT, content)
    assert (made.decision.effect, made.policy) == (Effect.WOULD_BLOCK, "blake3:later")


async def test_a_decision_is_made_of_the_registry_whose_facts_were_asked(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    assessor, content = case.judge.assessor, tagged(case)
    answering = WorkerEngine.evaluate

    async def evaluate(engine, facts):
        answer = await answering(engine, facts)
        assessor.registry = FixedRegistry(REGISTRY, "registry-2")
        return answer

    monkeypatch.setattr(WorkerEngine, "evaluate", evaluate)
    assert [(await assessor.assess(ABOUT, content)).registry for _ in range(2)] == ["registry-1", "registry-2"]


async def test_other_policies_void_the_verdicts_that_were_kept(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    assessor = case.judge.assessor
    assert [(await assessor.assess(ABOUT, CLEAN)).cached for _ in range(2)] == [False, True]
    later = dataclasses.replace(assessor.engine.in_force, revision="blake3:later")
    monkeypatch.setattr(WorkerEngine, "in_force", later)
    made = await assessor.assess(ABOUT, CLEAN)
    assert (made.cached, made.policy) == (False, "blake3:later")


async def test_another_registry_voids_the_verdicts_that_were_kept(case: Case) -> None:
    assessor = case.judge.assessor
    assert [(await assessor.assess(ABOUT, CLEAN)).cached for _ in range(2)] == [False, True]
    assessor.registry = FixedRegistry(REGISTRY, "registry-2")
    made = await assessor.assess(ABOUT, CLEAN)
    assert (made.cached, made.registry) == (False, "registry-2")
