"""The first week, word for word, after the first steps: watch, report, survey, replay, enforce, as the guide says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.test_first_steps import followed, home, machine, store
from tests.stores.landscape import Landscape
from tests.stores.moto import MotoStore

__all__ = ["home", "store"]
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(560)]


SAID = (
    "Monitor mode: nothing is blocked",
    "3 recorded decisions: 1 would have been blocked, 1 were blocked, 1 allowed",
    "What the registry lacks",
    "✓ aws account 111122223333: 9 buckets",
    "newly blocked: 1",
    "Enforce mode",
    "Haechi refused this upload",
)


def test_the_guide_leads_from_watching_to_enforcing(store: tuple[MotoStore, Landscape], home: Path) -> None:
    """The English one: that the Korean has the same commands is test_docs.py's to say."""
    running, land = store
    environment = machine(home, running)
    environment |= {"BUCKET": land.own_key, "KEY_ARN": land.seoul_key, "HAECHI_LANG": "en"}
    printed = followed(environment, ["first-steps.md", "first-week.md"], seconds=500)
    for words in SAID:
        assert words in printed, words
    assert running.same(land.own_key, "first-week.bin", home / "work" / "recipe.bin"), "watched, not blocked"
    assert running.digest(land.own_key, "refused.bin") is None
