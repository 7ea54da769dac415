"""The phases of ``make test`` look into their own folders alone: a test with a marker elsewhere would never run."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).resolve().parents[2]
MARKED = re.compile(r"\bmark\.(e2e|root|alone)\b")


def test_markers_are_where_their_phase_looks() -> None:
    elsewhere = [
        str(file.relative_to(TESTS))
        for file in TESTS.rglob("*.py")
        if file.relative_to(TESTS).parts[0] not in ("e2e", "root") and MARKED.search(file.read_text(encoding="utf-8"))
    ]
    assert elsewhere == []


def test_every_module_of_these_folders_has_its_marker() -> None:
    """Those in tests/root get theirs from its conftest.py."""
    unmarked = [file.name for file in (TESTS / "e2e").glob("test_*.py") if not MARKED.search(file.read_text("utf-8"))]
    assert unmarked == []
