"""Every step of the look is taken, whatever became of the one before."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from haechi.domain.errors import HaechiError
from haechi.wiring.following import Following

from tests.fakes import CountedMetrics

STEPS = ["trust", "registry", "policy", "scope"]


class Parts:
    """What the look goes through. The steps named in ``broken`` fail in a way that nobody foresaw."""

    def __init__(self) -> None:
        self.broken: set[str] = set()
        self.taken: list[str] = []
        self.metrics = CountedMetrics()
        self.registry = SimpleNamespace(refresh=lambda: self.take("registry"), revision="r", problem=None, data=None)
        engine = SimpleNamespace(in_force="policies", choices=SimpleNamespace(networks=()))
        trust = SimpleNamespace(refresh=lambda: self.take("trust"), revision="t", problem=None)
        policies = SimpleNamespace(look=self.look, problem=None, void=None)
        rules = SimpleNamespace(trust=trust, registry=self.registry, engine=engine, policies=policies)
        way_in = SimpleNamespace(follow=self.follow, problem=None)
        parts: Any = [SimpleNamespace(metrics=self.metrics), rules, None, None, SimpleNamespace(scope=None), way_in]
        self.following = Following(*parts)

    def take(self, step: str) -> bool:
        self.taken.append(step)
        if step in self.broken:
            raise RuntimeError(f"no {step}")
        return False

    async def look(self) -> bool:
        return self.take("policy")

    async def follow(self, *scope: Any, void: HaechiError | None) -> None:
        self.take("scope")


@pytest.mark.parametrize("broken", STEPS)
async def test_a_step_that_fails_keeps_no_other_from_being_taken(broken: str) -> None:
    parts = Parts()
    parts.broken.add(broken)
    await parts.following.look()
    assert parts.taken == STEPS
    problem = parts.following.failed[broken]
    assert (problem.code, problem.params["what"]) == ("change.look-failed", broken)
    assert f"no {broken}" in str(problem.params["why"])
    assert list(parts.following.failed) == [broken]


async def test_a_step_that_goes_on_failing_is_counted_once_and_ends_with_its_cause() -> None:
    parts = Parts()
    parts.broken.add("registry")
    await parts.following.look()
    await parts.following.look()
    assert parts.metrics.counts == {"haechi_changes_refused_total": 1}
    parts.broken.clear()
    await parts.following.look()
    assert parts.following.failed == {}
