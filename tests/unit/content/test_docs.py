"""The page on matching states the constants that are in force."""

from pathlib import Path

import pytest
from haechi.app.departed import DEPARTED_SECONDS
from haechi.outbound.index.scan import MOST_MATCHES
from haechi.payload.anchors import AVERAGE, RUN, WINDOW

DOCS = Path(__file__).parents[3] / "docs"


@pytest.mark.parametrize("name", ["content-matching.md", "content-matching.ko.md"])
def test_the_figures_of_the_page_are_the_programs(name: str) -> None:
    page = (DOCS / name).read_text(encoding="utf-8")
    for row in (f"{AVERAGE:,}", f"{WINDOW:,}", f"**{RUN:,}", f"{2 * WINDOW - 1:,}", f"{DEPARTED_SECONDS:.0f}"):
        assert row in page


def test_the_page_states_how_many_matches_are_named() -> None:
    assert f"At most {MOST_MATCHES} contents" in (DOCS / "content-matching.md").read_text(encoding="utf-8")
