"""Work beside everything else: heard when it fails, and no hindrance to stopping."""

from __future__ import annotations

import asyncio
import contextlib
import errno
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import structlog
from haechi import tasks
from haechi.domain.scope import Scope, ScopeMode
from haechi.inbound.envoy import datapath
from haechi.inbound.envoy.authority import Authority
from haechi.inbound.envoy.datapath import DataPath
from haechi.inbound.envoy.settings import DataPathSettings
from haechi.inbound.envoy.supervisor import EnvoySupervisor
from haechi.outbound.engine.folder import locate
from haechi.outbound.engine.worker_engine import WorkerEngine
from haechi.outbound.telemetry.lines import Lines
from haechi.settings import load
from haechi.tasks import FAILURES, background, ended
from haechi.wiring.ground import Ground
from structlog.testing import capture_logs

from tests.e2e.datapath_lab import ScriptedJudge


@pytest.fixture(autouse=True)
def heard(monkeypatch: pytest.MonkeyPatch) -> None:
    """A logger that was used before is bound for good, as it was configured then."""
    structlog.reset_defaults()
    monkeypatch.setattr(tasks, "_log", structlog.get_logger("haechi.tasks"))


async def fails() -> None:
    raise OSError(errno.ENOSPC, "full")


async def happened(task: asyncio.Task[None]) -> None:
    await asyncio.wait({task})
    await asyncio.sleep(0)


async def test_a_failure_is_told_when_it_happens() -> None:
    counted: list[str] = []
    with capture_logs() as said:
        await happened(background(fails(), "watch", counted.append))
    assert counted == [FAILURES]
    assert [(line["event"], line["work"], line["error"]) for line in said] == [
        ("background-work-failed", "watch", "OSError")
    ]


async def test_what_ends_well_or_is_stopped_is_no_failure() -> None:
    counted: list[str] = []
    await happened(background(asyncio.sleep(0), "short", counted.append))
    await ended(background(asyncio.sleep(60), "long", counted.append))
    await asyncio.sleep(0)
    assert counted == []


async def test_ending_raises_nothing_that_is_the_tasks_own() -> None:
    failed = background(fails(), "watch")
    await happened(failed)
    await ended(failed)

    async def fails_at_the_end() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await fails()

    failing = background(fails_at_the_end(), "watch")
    await asyncio.sleep(0)
    await ended(failing)


async def test_the_agent_is_taken_down_whatever_failed_beside_it() -> None:
    taken_down: list[str] = []
    ground = Ground(load({}), AsyncExitStack(), Lines(2, "stderr"))
    async with ground.stack as stack:
        stack.callback(taken_down.append, "what was put there first")
        ground.background(fails(), "watch")
        for _ in range(3):
            await asyncio.sleep(0)
    assert taken_down
    assert ground.metrics.registry.get_sample_value(FAILURES) == 1


async def test_an_engine_whose_watch_failed_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[str] = []
    engine = WorkerEngine(locate(), 5000, count=counted.append)
    monkeypatch.setattr(engine, "_watch", fails)
    await engine.start()
    assert engine._watching is not None and engine._worker is not None
    worker = engine._worker
    await happened(engine._watching)
    assert counted == [FAILURES]
    await engine.stop()
    assert worker.process.poll() is not None


SCOPE = Scope(ScopeMode.CLOUD, ("*.amazonaws.com",))


def path_in(folder: Path) -> DataPath:
    authority = Authority.create(None, SCOPE)
    return DataPath(DataPathSettings(SCOPE), ScriptedJudge(), authority, folder, structlog.get_logger())


class Stopped:
    """A supervisor that notes that it was stopped."""

    stopped = False
    pid = None

    async def stop(self) -> None:
        self.stopped = True


async def test_a_data_path_whose_watch_failed_stops_its_envoy(tmp_path: Path) -> None:
    path = path_in(tmp_path)
    path._supervisor = supervisor = Stopped()  # type: ignore[assignment]
    path._watches = [background(fails(), "roots-watch")]
    await happened(path._watches[0])
    await path.stop()
    assert supervisor.stopped


async def test_roots_that_could_not_be_published_are_published_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, published, tried = path_in(tmp_path), asyncio.Event(), []

    def publish(upstream: Path) -> None:
        tried.append(upstream)
        if len(tried) < 3:
            raise OSError(errno.ENOSPC, "full")
        published.set()

    monkeypatch.setattr(datapath, "_ROOT_WATCH_S", 0)
    monkeypatch.setattr(path, "_publish_roots", publish)
    watch = background(path._watch_roots(tmp_path / "roots"), "roots-watch")
    await asyncio.wait_for(published.wait(), 10)
    await ended(watch)


async def test_a_supervisor_whose_watch_failed_says_so_and_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[str] = []
    program = tmp_path / "envoy"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    supervisor = EnvoySupervisor(
        program, tmp_path / "c", tmp_path, lambda: True, concurrency=1, linger_s=1, log=structlog.get_logger(),
        count=counted.append,
    )  # fmt: skip
    monkeypatch.setattr(supervisor, "_keep_running", fails)
    await supervisor.start()
    assert supervisor._watch is not None
    await happened(supervisor._watch)
    assert counted == [FAILURES]
    await supervisor.stop()
    assert supervisor.pid is None


async def test_a_task_that_lost_its_cancellation_is_ended_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "AGAIN_S", 0.01)

    async def deaf_once() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        await asyncio.Event().wait()

    task = asyncio.get_running_loop().create_task(deaf_once())
    await asyncio.sleep(0)
    await asyncio.wait_for(ended(task), 5)
    assert task.cancelled()
