"""Policies that somebody wants to try: read from wherever they lie, loaded into a worker of their own.

Nothing is put in force, so no signature is asked for. The worker has the time that a trial needs, not the agent's.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from haechi.outbound.engine.compiler import Compiler, located
from haechi.outbound.engine.folder import PolicyFolder, locate
from haechi.outbound.engine.place import policies_at
from haechi.outbound.engine.worker_engine import WorkerEngine

DEADLINE_MS: Final = 20_000.0
"""One question may wait for many others; what counts is that its answer is not lost."""
HANG_SECONDS: Final = 5.0


def candidate(place: Path) -> PolicyFolder:
    """The policies at a place: a folder or a bundle. Raises what ``folder.locate`` and ``place.policies_at`` raise."""
    return policies_at(place if place.is_file() else locate(place))


@asynccontextmanager
async def trial(
    policies: PolicyFolder, compiler: Callable[[PolicyFolder], bytes] | None
) -> AsyncIterator[WorkerEngine]:
    """A started engine with the policies, ended on leaving. Raises ``HaechiError('policy.…')``."""
    engine = WorkerEngine(policies.path, DEADLINE_MS, HANG_SECONDS, compiler=compiler)
    try:
        await engine.put_in_force(policies)
        yield engine
    finally:
        await engine.stop()


def compiler_of(setting: Path | None) -> Compiler:
    """What makes the compiled form. Where OPA's program is not at hand the policies are interpreted, and the engine
    says so (``interpreted``).
    """
    return Compiler(located(setting))
