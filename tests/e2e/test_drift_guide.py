"""The page about drift, word for word, after the first steps. ``aws`` outside ``haechi run`` is whoever administers the
bucket: it goes to the store directly.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.test_first_steps import followed, home, machine, store
from tests.stores.landscape import Landscape
from tests.stores.moto import MotoStore

__all__ = ["home", "store"]
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

SAID = (
    "No finding is open",
    "it turned public",
    "public access: closed → everybody can read",
    "Tagged objects in it: 2",
    "archived.bin.age",
    "[mended]",
    "✓ Accepted",
)
ADMINISTRATOR = 'aws() { command aws --endpoint-url "$STORE" --ca-bundle "$STORE_CA" "$@"; }\n'


def test_the_guide_leads_from_a_list_to_a_finding_and_back(store: tuple[MotoStore, Landscape], home: Path) -> None:
    """The English one: that the Korean has the same commands is test_docs.py's to say."""
    running, land = store
    environment = machine(home, running)
    environment |= {"BUCKET": land.own_key, "KEY_ARN": land.seoul_key, "HAECHI_LANG": "en"}
    environment |= {"STORE": running.endpoint, "STORE_CA": str(running.ca)}
    printed = followed(environment, ["first-steps.md", "drift.md"], seconds=360, before=ADMINISTRATOR)
    for words in SAID:
        assert words in printed, words
