"""What a guard adds to an upload of 4 KiB by boto3: the same puts with and without it, by turns, to the same sink.

Both clients go straight to the sink, past the data path; the agent has protected content and inspects every body.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from haechi_connectors import guard

from bench import ends
from tests.e2e.guard_lab import plain
from tests.lab import Laboratory

ROOT = Path(__file__).resolve().parents[1]
BODY = 4096
WARM = 30


@dataclass(frozen=True, slots=True)
class Added:
    """Medians in ms: with the guard, without it."""

    guarded: float
    plain: float

    @property
    def added(self) -> float:
        """What the guard adds."""
        return self.guarded - self.plain


def measure(lab: Laboratory, port: int, ca: Path, count: int) -> Added:
    """``count`` puts of each kind."""
    with _straight(port) as way:
        bare = plain(way, str(ca))
        watched = guard(plain(way, str(ca)), agent=lab.socket)
        taken: dict[int, list[float]] = {0: [], 1: []}
        for number in range(count + WARM):
            for kind, client in enumerate((bare, watched)):
                taken[kind].append(_put(client, f"guard/{kind}-{number}"))
    without, with_it = (sorted(times[WARM:]) for times in taken.values())
    return Added(with_it[len(with_it) // 2], without[len(without) // 2])


def _put(client: Any, key: str) -> float:
    body = os.urandom(BODY)
    begun = time.perf_counter()
    client.put_object(Bucket=ends.HOST.partition(".")[0], Key=key, Body=body)
    return (time.perf_counter() - begun) * 1000


@contextmanager
def _straight(port: int) -> Iterator[str]:
    """In a process of its own, so that its threads take nothing from the client's."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.lab.straight", str(port)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()
