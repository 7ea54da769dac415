"""The figures: what was asked of each, how they are written down."""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


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
    """All figures of a run."""

    figures: list[Figure] = field(default_factory=list)

    def ratio(
        self, name: str, value: float, unit: str, peer: str, peer_value: float, *, least: float = 0, most: float = 0
    ) -> None:
        """A figure beside a peer's; the bar is on their ratio."""
        ratio = value / peer_value
        met = ratio >= least if least else ratio <= most if most else None
        asked = f"ratio ≥ {least}" if least else f"ratio ≤ {most}" if most else ""
        self.add(Figure(name, value, unit, peer, peer_value, ratio, asked, met))

    def plain(self, name: str, value: float, unit: str, *, least: float = 0, most: float = 0) -> None:
        """A figure with a bar of its own, or just shown."""
        met = value >= least if least else value <= most if most else None
        asked = f"≥ {least:g}" if least else f"≤ {most:g}" if most else ""
        self.add(Figure(name, value, unit, asked=asked, met=met))

    def add(self, figure: Figure) -> None:
        """Keep and print it."""
        self.figures.append(figure)
        print("  " + row(figure), flush=True)

    def write(self, note: str) -> None:
        """Write results.json and the table of docs/benchmarks.md (between its markers).

        Figures of earlier runs that this one did not measure stay: ``--only`` brings single parts up to date.
        """
        file = ROOT / "bench" / "results.json"
        earlier = json.loads(file.read_text(encoding="utf-8")) if file.exists() else []
        kept = {one["name"]: one for one in earlier} | {figure.name: figure.as_json() for figure in self.figures}
        file.write_text(json.dumps(list(kept.values()), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        page = ROOT / "docs" / "benchmarks.md"
        text = page.read_text(encoding="utf-8")
        begin, end = "<!-- figures -->", "<!-- end -->"
        head, _, rest = text.partition(begin)
        before, _, after = rest.partition(end)
        rows = dict(re.findall(r"^(?=\| `([a-z0-9_]+)`)(.*)$", before, re.MULTILINE))
        rows |= {figure.name: row(figure, "| ", " | ", " |") for figure in self.figures}
        table = [
            "",
            note,
            "",
            "| figure | value | peer | ratio | asked | |",
            "|---|---|---|---|---|---|",
            *rows.values(),
        ]
        page.write_text(head + begin + "\n".join(table) + "\n\n" + end + after, encoding="utf-8")


def row(figure: Figure, start: str = "", between: str = "  ", stop: str = "") -> str:
    """One line of the table."""
    value = f"{figure.value:.4g} {figure.unit}"
    peer = f"{figure.peer}: {figure.peer_value:.4g}" if figure.peer_value is not None else "–"
    ratio = f"{figure.ratio:.2f}" if figure.ratio is not None else "–"
    met = {True: "✓", False: "✗", None: ""}[figure.met]
    name = f"`{figure.name}`" if start else f"{figure.name:34}"
    return start + between.join([name, value, peer, ratio, figure.asked or "shown", met]) + stop


def median(values: Sequence[float]) -> float:
    """The median."""
    return statistics.median(values)
