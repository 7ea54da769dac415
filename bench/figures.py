"""The figures: what was asked of each, whether it was met, and how they are written down."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RESULTS, PAGE = ROOT / "bench" / "results.json", ROOT / "docs" / "benchmarks.md"
BEGIN, END = "<!-- figures -->", "<!-- end -->"

ASKED = frozenset(
    {
        "put_1gib_same_job_throughput",
        "put_1gib_same_job_cpu",
        "put_1gib_inspected_throughput",
        "put_1gib_uninspected_throughput",
        "resident_1gib",
        "resident_10gib",
        "resident_growth",
        "put_4kib_added_p50",
        "put_4kib_added_p99",
        "put_4kib_rate",
        "put_4kib_gcs_vs_s3",
        "put_4kib_azure_vs_s3",
        "decision_p50",
        "decision_p99",
        "decision_cached_p50",
        "decision_full_p50",
        "decision_full_p99",
        "decision_full_vs_opa",
        "bundle_swap_pause",
        "index_large",
        "index_small",
        "tag_to_refusal_p99",
        "guard_added_p50",
        "replay_rate",
        "posture_joined_reads",
        "posture_cold_roundtrips",
    }
)
"""Every figure that has a bar: a run that lacks one has not met it."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure. ``ratio`` is value to peer's value where there is a peer; ``asked`` is for the table alone."""

    name: str
    value: float
    unit: str
    peer: str = ""
    peer_value: float | None = None
    ratio: float | None = None
    asked: str = ""
    met: bool | None = None

    def as_json(self) -> dict[str, object]:
        """The form of ``bench/results.json``."""
        kept = asdict(self)
        del kept["asked"], kept["met"]
        return kept


@dataclass(slots=True)
class Results:
    """All figures of a run, and what could not be measured, with the reason."""

    figures: list[Figure] = field(default_factory=list)
    lacking: dict[str, str] = field(default_factory=dict)

    def ratio(
        self, name: str, value: float, unit: str, peer: str, peer_value: float, *, least: float = 0, most: float = 0
    ) -> None:
        """A figure beside a peer's; the bar is on their ratio."""
        ratio = value / peer_value
        met = ratio >= least if least else ratio <= most if most else None
        asked = f"ratio ≥ {least}" if least else f"ratio ≤ {most}" if most else ""
        self.add(Figure(name, value, unit, peer, peer_value, ratio, asked, met))

    def plain(
        self,
        name: str,
        value: float,
        unit: str,
        *,
        least: float = 0,
        most: float = 0,
        beside: tuple[str, float] | None = None,
    ) -> None:
        """A figure with a bar of its own, or just shown. ``beside``: a peer and its value, for comparison only."""
        met = value >= least if least else value <= most if most else None
        asked = f"≥ {least:g}" if least else f"≤ {most:g}" if most else ""
        peer, peer_value = beside or ("", None)
        self.add(Figure(name, value, unit, peer, peer_value, value / peer_value if peer_value else None, asked, met))

    def add(self, figure: Figure) -> None:
        """Keep and print it."""
        self.figures.append(figure)
        print("  " + row(figure), flush=True)

    def lack(self, name: str, why: str) -> None:
        """Say that a figure is missing."""
        self.lacking[name] = why
        print(f"  {name:34}  not measured: {why}", flush=True)

    def missed(self, asked: frozenset[str] = ASKED) -> list[str]:
        """A line for each bar that was not met, and for each asked figure that was not measured."""
        lines = [f"{one.name}: {told(one)}, asked {one.asked}" for one in self.figures if one.met is False]
        measured = {figure.name for figure in self.figures}
        return lines + [f"{name}: {self.lacking.get(name, 'not measured')}" for name in sorted(asked - measured)]

    def write(self, note: str, results: Path = RESULTS, page: Path = PAGE) -> None:
        """Write results.json and the table of docs/benchmarks.md (between its markers): this run's alone."""
        listed = [figure.as_json() for figure in self.figures]
        results.write_text(json.dumps(listed, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        text = page.read_text(encoding="utf-8")
        head, _, rest = text.partition(BEGIN)
        _, _, after = rest.partition(END)
        table = [
            "",
            note,
            "",
            "| figure | value | peer | ratio | asked | |",
            "|---|---|---|---|---|---|",
            *(row(figure, "| ", " | ", " |") for figure in self.figures),
            *(f"| `{name}` | not measured: {why} | – | – | – |  |" for name, why in self.lacking.items()),
        ]
        page.write_text(head + BEGIN + "\n".join(table) + "\n\n" + END + after, encoding="utf-8")


def told(figure: Figure) -> str:
    """What is held against the bar."""
    if figure.ratio is not None and figure.asked.startswith("ratio"):
        return f"ratio {figure.ratio:.2f}"
    return f"{number(figure.value)} {figure.unit}"


def row(figure: Figure, start: str = "", between: str = "  ", stop: str = "") -> str:
    """One line of the table."""
    value = f"{number(figure.value)} {figure.unit}"
    peer = f"{figure.peer}: {number(figure.peer_value)}" if figure.peer_value is not None else "–"
    ratio = f"{figure.ratio:.2f}" if figure.ratio is not None else "–"
    met = {True: "✓", False: "✗", None: ""}[figure.met]
    name = f"`{figure.name}`" if start else f"{figure.name:34}"
    return start + between.join([name, value, peer, ratio, figure.asked or "shown", met]) + stop


def number(value: float) -> str:
    """Four digits that count; never as a power of ten."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def median(values: Sequence[float]) -> float:
    """The median."""
    return statistics.median(values)
