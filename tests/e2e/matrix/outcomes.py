"""What was seen of a client, where a run leaves it, and how the page says it."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).resolve().parents[3] / "docs" / "clients.md"
FOLDER = "HAECHI_CLIENTS"
"""The variable that names the folder into which a run writes what it saw."""


@dataclass(frozen=True, slots=True, order=True)
class Outcome:
    """A client whose tagged upload was refused and whose sealed one arrived. ``words`` are what the person saw of the
    refusal, ``requests`` how many were refused before the client gave up.
    """

    cloud: str
    client: str
    way: str
    version: str
    words: str
    requests: int


def report(outcome: Outcome) -> None:
    """Leave it for the page, where a run was asked to."""
    folder = os.environ.get(FOLDER)
    if folder:
        name = "".join(
            letter if letter.isalnum() else "-" for letter in f"{outcome.cloud} {outcome.client} {outcome.way}"
        )
        (Path(folder) / f"{name}.json").write_text(json.dumps(dataclasses.asdict(outcome)), encoding="utf-8")


def reported(folder: Path) -> list[Outcome]:
    """All that a run left, in the page's order."""
    return sorted(Outcome(**json.loads(path.read_text(encoding="utf-8"))) for path in folder.glob("*.json"))


def on_page(page: Path = PAGE) -> Iterator[tuple[str, ...]]:
    """The page's rows: cloud, client, way."""
    for line in page.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| ") and len(cells) == 6 and cells[0] != "Cloud":
            yield tuple(cells[:3])
