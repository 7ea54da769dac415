"""An audit of decisions that the shipped policies really made, and candidates that differ from them."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from haechi.domain.content import Match, MatchHow
from haechi.domain.decision import Modes
from haechi.outbound.engine.folder import locate
from haechi.outbound.engine.worker_engine import WorkerEngine
from haechi.ports.engine import Answered
from ruamel.yaml import YAML

from tests.lab.recorded import CLEAN, SetClock, judged, write
from tests.policy.base import DESTINATION, SEALED, TAG, sealed_seoul

DAY = dt.datetime(2026, 3, 2, 1, 0, tzinfo=dt.UTC)
PLAIN = Match("blake3:5ea1", "recipe.csv", (TAG,), MatchHow.EXACT, 4096, 4096)


def inputs() -> list[tuple[str, str, dict[str, Any]]]:
    """User, container and facts: sealed to our bucket (allowed), plain there (R13), sealed to Tokyo (R10)."""
    plain = dataclasses.replace(SEALED, matches=(PLAIN,))
    tokyo = dataclasses.replace(DESTINATION, container="ours-tokyo", region="ap-northeast-1", country="JP")
    return [
        ("kim", "ours-seoul", sealed_seoul()),
        ("lee", "ours-seoul", sealed_seoul(content=plain)),
        ("kim", "ours-tokyo", sealed_seoul(destination=tokyo)),
    ]


async def answers(facts: Sequence[dict[str, Any]]) -> list[Answered]:
    engine = WorkerEngine(locate(), 20_000)
    await engine.start()
    try:
        found = [await engine.evaluate(one) for one in facts]
    finally:
        await engine.stop()
    assert all(isinstance(one, Answered) for one in found), found
    return found  # type: ignore[return-value]


@pytest.fixture(scope="session")
def decided() -> list[tuple[str, str, dict[str, Any], Answered]]:
    every = inputs()
    return [
        (*one, said) for one, said in zip(every, asyncio.run(answers([facts for _, _, facts in every])), strict=True)
    ]


@pytest.fixture
def events(decided) -> Callable[..., list[dict[str, Any]]]:
    """Decisions on so many rounds of the inputs, a minute apart, and one clean upload each round."""

    def make(rounds: int = 3, modes: Modes | None = None) -> list[dict[str, Any]]:
        made: list[dict[str, Any]] = []
        for _ in range(rounds):
            for user, container, facts, said in decided:
                at = DAY + dt.timedelta(minutes=len(made))
                one = judged(len(made), facts, said.findings, modes, user=user, container=container, at=at)
                made.append(dict(one.event()))
            at = DAY + dt.timedelta(minutes=len(made))
            made.append(dict(judged(len(made), {}, content=CLEAN, at=at).event()))
        return made

    return make


@pytest.fixture
def audit(tmp_path: Path, events) -> Path:
    folder = tmp_path / "audit"
    write(folder, events(), SetClock(DAY))
    return folder


@pytest.fixture
def candidate(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """The shipped policies with choices changed."""

    def make(**choices: Any) -> Path:
        folder = tmp_path / "candidate"
        if not folder.exists():
            shutil.copytree(locate(), folder)
        yaml = YAML()
        data = yaml.load((folder / "data.yaml").read_text(encoding="utf-8"))
        for name, value in choices.items():
            data["choices"][name]["value"] = value
        with (folder / "data.yaml").open("w", encoding="utf-8") as file:
            yaml.dump(data, file)
        return folder

    yield make
