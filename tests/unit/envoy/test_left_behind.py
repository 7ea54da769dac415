"""What an agent that died left behind is ended before the next one starts its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import structlog
from haechi.inbound.envoy import supervisor
from haechi.inbound.envoy.supervisor import EnvoySupervisor

IGNORES_TERM = "trap '' TERM; "


@contextlib.contextmanager
def left_behind(folder: Path, *, first: str = "") -> Iterator[psutil.Process]:
    """A process called envoy whose parent never reaps it, noted as the agent before noted its own."""
    program = folder / "envoy"
    shutil.copy("/bin/sleep", program)
    command = ["sh", "-c", f"{first}{program} 60 & echo $!; exec sleep 60"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        left = psutil.Process(int(parent.stdout.readline()))
        while left.name() != "envoy":  # the shell becomes it
            os.sched_yield()
        (folder / "envoy.pid").write_text(f"{left.pid} {left.create_time()}\n")
        try:
            yield left
        finally:
            with contextlib.suppress(psutil.NoSuchProcess):
                left.kill()
            parent.kill()


def next_agents(folder: Path) -> EnvoySupervisor:
    return EnvoySupervisor(
        folder / "envoy",
        folder / "envoy.yaml",
        folder,
        lambda: True,
        concurrency=1,
        linger_s=1,
        log=structlog.get_logger(),
    )


@pytest.mark.timeout(30)
async def test_an_envoy_that_nobody_reaps_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "_STOP_S", 60.0)
    with left_behind(tmp_path) as left:
        await next_agents(tmp_path)._end_left_behind()
        assert left.status() == psutil.STATUS_ZOMBIE


async def test_an_envoy_that_does_not_listen_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "_STOP_S", 0.2)
    with left_behind(tmp_path, first=IGNORES_TERM) as left:
        await next_agents(tmp_path)._end_left_behind()
        assert left.status() == psutil.STATUS_ZOMBIE


async def test_another_process_with_that_number_is_left_alone(tmp_path: Path) -> None:
    with left_behind(tmp_path) as other:
        (tmp_path / "envoy.pid").write_text(f"{other.pid} {other.create_time() - 100}\n")
        await next_agents(tmp_path)._end_left_behind()
        assert other.status() != psutil.STATUS_ZOMBIE
