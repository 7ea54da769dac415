"""How fast recorded decisions are judged again: ``haechi replay`` as a person runs it, its start included.

The audit is written by the real log: decisions on plain, sealed and foreign uploads with their whole inputs, each one
different. Alone: ``make bench BENCH="--only replay"``.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from haechi.domain.content import Match, MatchHow

from bench.figures import ROOT, Results, median
from tests.lab.recorded import SetClock, judged, write
from tests.policy.base import DESTINATION, NOW, SEALED, TAG, sealed_seoul

RECORDS = 20_000


def inputs() -> list[dict[str, Any]]:
    """Sealed to our bucket, plain to it, sealed to Tokyo."""
    match = Match("blake3:5ea1", "recipe.csv", (TAG,), MatchHow.EXACT, 4096, 4096)
    tokyo = dataclasses.replace(DESTINATION, container="ours-tokyo", region="ap-northeast-1", country="JP")
    plain = dataclasses.replace(SEALED, matches=(match,))
    return [sealed_seoul(), sealed_seoul(content=plain), sealed_seoul(destination=tokyo)]


def events(count: int) -> Iterator[Mapping[str, Any]]:
    """So many decisions, all recorded as allowed: under the policies that ship two of three change."""
    kinds = inputs()
    for number in range(count):
        facts = dict(kinds[number % len(kinds)])
        facts["content"] = {**facts["content"], "digest": f"blake3:{number:064x}"}
        yield judged(number, facts, user=f"user-{number % 500}", at=NOW + dt.timedelta(seconds=number)).event()


def seconds(audit: Path, home: Path) -> float:
    """What one run takes, all of it. Raises where it did not judge every record."""
    settings = home / "haechi.toml"
    settings.write_text(f"[paths]\nstate='{home}/s'\nconfig='{home}/c'\nruntime='{home}/r'\n", encoding="utf-8")
    command = [sys.executable, "-m", "haechi.cli", "replay", "--policy", str(ROOT / "policies"), "--json"]
    began = time.perf_counter()
    done = subprocess.run(
        [*command, "--folder", str(audit)],
        env={**os.environ, "HAECHI_CONFIG": str(settings)},
        capture_output=True,
        text=True,
        check=False,
    )
    taken = time.perf_counter() - began
    said = json.loads(done.stdout)
    if done.returncode != 1 or said["judged"] != said["records"] or not said["complete"]:
        raise RuntimeError(f"the replay judged not all of it: {done.stdout[:500]} {done.stderr[-500:]}")
    return taken


def measure(results: Results, rounds: int, *, quick: bool) -> None:
    """The figure ``replay_rate``."""
    count = RECORDS // 10 if quick else RECORDS
    with tempfile.TemporaryDirectory(prefix="haechi-bench-") as name:
        place = Path(name)
        write(place / "audit", events(count), SetClock(NOW))
        rate = median([count / seconds(place / "audit", place) for _ in range(rounds)])
    results.plain("replay_rate", rate, "records/s", least=1000)
