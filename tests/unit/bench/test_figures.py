"""The benchmark says what it missed, and writes this run's figures alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.figures import ASKED, BEGIN, END, Results

ROOT = Path(__file__).resolve().parents[3]


def measured() -> Results:
    """A run in which every bar is met."""
    results = Results()
    for name in ASKED:
        results.plain(name, 1.0, "ms", most=2)
    return results


def test_a_run_that_met_everything_missed_nothing() -> None:
    assert measured().missed() == []


def test_a_bar_that_was_not_met_is_told_with_value_and_bar() -> None:
    results = measured()
    results.plain("slow", 3.0, "ms", most=2)
    results.ratio("behind", 2.0, "MB/s", "peer", 4.0, least=1.1)
    results.plain("shown", 3.0, "ms")
    results.plain("slow-too", 3.0, "ms", most=2, beside=("peer", 6.0))
    assert results.missed() == [
        "slow: 3 ms, asked ≤ 2",
        "behind: ratio 0.50, asked ratio ≥ 1.1",
        "slow-too: 3 ms, asked ≤ 2",
    ]


@pytest.mark.parametrize("name", sorted(ASKED))
def test_an_asked_figure_that_was_not_measured_is_missed(name: str) -> None:
    results = measured()
    results.figures = [figure for figure in results.figures if figure.name != name]
    results.lack(name, "no such tool")
    assert results.missed() == [f"{name}: no such tool"]


def test_what_is_written_is_this_run_and_what_it_lacks(tmp_path: Path) -> None:
    page, file = tmp_path / "page.md", tmp_path / "results.json"
    page.write_text(f"before\n{BEGIN}\n| `old` | 1 ms | – | – | shown |  |\n{END}\nafter\n")
    results = Results()
    results.plain("index_small", 11_620.0, "files/s", least=8000)
    results.lack("put_4kib_squid_p50", "no squid")
    results.write("the machine", file, page)
    text = page.read_text()
    assert "old" not in text
    assert "| `index_small` | 11,620 files/s | – | – | ≥ 8000 | ✓ |" in text
    assert "| `put_4kib_squid_p50` | not measured: no squid |" in text
    assert text.startswith("before\n") and text.endswith("after\n")
    assert [one["name"] for one in json.loads(file.read_text())] == ["index_small"]


def test_every_figure_that_the_page_shows_is_explained_on_it() -> None:
    for name in ("benchmarks.md", "benchmarks.ko.md"):
        explained = (ROOT / "docs" / name).read_text(encoding="utf-8").partition("## ")[0]
        for figure in (*ASKED, "idle_cpu", "decision_recognised_p50", "decision_input"):
            stem = figure.rpartition("_")[0]
            assert any(one in explained for one in (f"`{figure}`", f"`{stem}_…`", f"`{figure.split('_')[0]}_…`")), (
                figure
            )
