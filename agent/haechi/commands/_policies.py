"""Which policies a command looks at, and a worker of its own to try them in."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from haechi.domain.errors import HaechiError

if TYPE_CHECKING:
    from haechi.outbound.engine.folder import PolicyFolder
    from haechi.ports.engine import Answered

folder_option = click.option(
    "--folder", type=click.Path(path_type=Path), help="Look at these policies instead of the ones in force."
)


def chosen(folder: Path | None) -> Path:
    """The named folder, else the one that the agent uses."""
    from haechi.outbound.engine.folder import in_force, locate
    from haechi.settings import load as settings_in_force

    if folder is None:
        return in_force(settings_in_force())
    return folder if folder.is_file() else locate(folder)


def tried(policies: PolicyFolder, facts: dict[str, Any] | None = None) -> Answered:
    """Load into a worker of our own; judge the facts, or nothing. Raises ``HaechiError('policy.…')``."""
    quiet()
    return asyncio.run(_judged(policies, facts))


def quiet() -> None:
    """Standard output is the answer's alone: what the engine notes for the agent's log is not asked for here."""
    import logging

    import structlog

    from haechi.outbound.telemetry import logs

    logs.configure("warning", None)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))


async def _judged(policies: PolicyFolder, facts: dict[str, Any] | None) -> Answered:
    from haechi.domain.decision import Cause
    from haechi.outbound.engine.compiler import Compiler, located
    from haechi.outbound.engine.worker_engine import WorkerEngine
    from haechi.ports.engine import Answered
    from haechi.settings import load

    engine = WorkerEngine(policies.path, deadline_ms=5000, check=Compiler(located(load().engine.compiler)).check)
    await engine.put_in_force(policies)
    try:
        said = Answered((), 0.0) if facts is None else await engine.evaluate(facts)
    finally:
        await engine.stop()
    if isinstance(said, Cause):
        raise HaechiError("policy.no-answer", cause=said.code, why=str(said.params.get("detail", "–")))
    return said
