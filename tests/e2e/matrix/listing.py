"""All clients of the matrix: every ``CLIENTS`` of a module ``test_matrix_….py``."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from tests.e2e.matrix.client import Client
from tests.e2e.matrix.outcomes import Outcome


def clients() -> list[Client]:
    """In the order of modules. Raises ``ValueError`` where two would share a row."""
    found: list[Client] = []
    for path in sorted(Path(__file__).parent.glob("test_matrix_*.py")):
        found += import_module(f"tests.e2e.matrix.{path.stem}").CLIENTS
    rows = [(one.cloud, one.name, one.way) for one in found]
    twice = {row for row in rows if rows.count(row) > 1}
    if twice:
        raise ValueError(f"listed twice: {sorted(twice)}")
    return found


def asked(client: Client) -> Outcome:
    """What its test asks for, seen by nobody: without a version."""
    return Outcome(client.cloud, client.name, client.way, "", client.words, client.tries, client.sealed, client.leaves)
