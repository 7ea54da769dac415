"""What the largest registry costs: loading it beside the judging, and finding in it what one upload needs.

The loading is done as the running agent does it (in another thread, with its pauses for the event loop), while this
thread wants a millisecond's sleep again and again: ``pause`` is the longest that it had to wait beyond that.

    python -m bench.registry
"""

from __future__ import annotations

import datetime as dt
import gc
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from haechi.domain.actor import Actor
from haechi.domain.content import Content, ContentState, Match, MatchHow
from haechi.domain.registry import RegistryIndex
from haechi.domain.tags import Grade, Tag
from haechi.domain.upload import Location
from haechi.outbound.registry.reading import registry_from

from bench.decisions import at
from tests.lab.largest import PROVIDERS, TECHNOLOGIES, as_json, digest_of, largest

APPROVALS, PEOPLE = 100_000, 20_000
ROUNDS, WARM = 4000, 400
NOW = dt.datetime(2026, 11, 5, tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True)
class Measured:
    """``load_s`` seconds, ``pause_ms`` milliseconds, ``megabytes`` of memory that stay, of ``size`` bytes of JSON;
    ``facts_p50`` and ``facts_p99`` in milliseconds, with the whole registry and with a hundredth of it.
    """

    size: int
    load_s: float
    pause_ms: float
    megabytes: float
    facts_p50: float
    facts_p99: float
    facts_small_p50: float


def measure() -> Measured:
    """All of it."""
    raw = as_json(largest(approvals=APPROVALS, people=PEOPLE))
    gc.collect()
    before = resident()
    with ThreadPoolExecutor(1) as pool:
        begun = time.perf_counter()
        loading, pause = pool.submit(load, raw, lambda: time.sleep(0.0005)), 0.0
        while not loading.done():
            asked = time.perf_counter()
            time.sleep(0.001)
            pause = max(pause, time.perf_counter() - asked - 0.001)
        index, seconds = loading.result(), time.perf_counter() - begun
    stays = resident() - before
    found = finding(index, APPROVALS, PEOPLE)
    small = load(as_json(largest(approvals=APPROVALS // 100, people=PEOPLE // 100)), lambda: None)
    less = finding(small, APPROVALS // 100, PEOPLE // 100)
    return Measured(len(raw), seconds, pause * 1000, stays / 1e6, at(found, 0.5), at(found, 0.99), at(less, 0.5))


def load(raw: bytes, pace: object) -> RegistryIndex:
    """As ``FileRegistry`` does it: without searches for cycles meanwhile."""
    gc.disable()
    try:
        return RegistryIndex(registry_from(raw, "registry.yaml", pace))  # type: ignore[arg-type]
    finally:
        gc.freeze()
        gc.enable()


def finding(index: RegistryIndex, approvals: int, people: int) -> list[float]:
    """Seconds for the facts of uploads that all differ, each of a file that some approval names."""
    taken = []
    for round_ in range(WARM + ROUNDS):
        number = round_ * 7919 % approvals
        tag = Tag(TECHNOLOGIES[number % len(TECHNOLOGIES)], Grade.A)
        content = Content(ContentState.MATCHED, (Match(digest_of(number), "f", (tag,), MatchHow.EXACT),))
        place, actor = Location(PROVIDERS[number // 7 % 3], "bucket"), Actor(user=f"user{number % people}")
        begun = time.perf_counter()
        index.facts(place, actor, content, NOW)
        taken.append(time.perf_counter() - begun)
    return taken[WARM:]


def resident() -> int:
    """Bytes of this process's memory."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4096


if __name__ == "__main__":
    print(measure())
