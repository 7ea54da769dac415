"""The pages about clients: a row for every client of the matrix and for no other, and both written from the record."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from tests.e2e.matrix.client import Left, Sealed, Words
from tests.e2e.matrix.listing import asked, clients
from tests.e2e.matrix.outcomes import FOLDER, Outcome, record, recorded, report, reported
from tools import client_pages

SEEN = Outcome("S3", "a tool", "one request", "1.0", "whole", 1, stores=("moto",))


def test_every_client_has_its_row_and_no_row_is_of_another() -> None:
    assert [one.row for one in recorded()] == sorted(asked(one).row for one in clients()), "run: make clients"


def test_every_row_says_what_its_test_asks_for() -> None:
    assert {one.row: one.seen for one in recorded()} == {one.row: one.seen for one in map(asked, clients())}


def test_the_pages_are_written_from_the_record() -> None:
    assert client_pages.main(["--check"]) == 0, "run: python -m tools.client_pages"


def test_the_pages_have_words_for_all_of_it() -> None:
    words = client_pages.WORDS
    assert {one.way for one in recorded()} <= set(words["ways"]), "tools/client_pages.yaml: ways"
    assert {one.cloud for one in recorded()} <= set(words["clouds"]), "tools/client_pages.yaml: clouds"
    assert {store for one in recorded() for store in one.stores} <= set(words["stores"]), "…: stores"
    assert {about["store"] for about in words["clouds"].values() if "store" in about} <= set(words["stores"])
    for column, codes in (("words", Words), ("sealed", Sealed), ("left", Left)):
        assert set(words[column]) == {str(code) for code in codes}


def test_a_run_is_held_against_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(FOLDER, raising=False)
    first = recorded()[0]
    report(first)
    report(dataclasses.replace(first, version="another"))
    for changed in ({"requests": 99}, {"words": "none"}, {"way": "not listed"}, {"stores": ("another",)}):
        with pytest.raises(AssertionError, match=r"docs/clients\.md"):
            report(dataclasses.replace(first, **changed))


def test_what_a_run_leaves_is_read_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(FOLDER, str(tmp_path))
    report(SEEN)
    report(dataclasses.replace(SEEN, stores=("versitygw",)))
    (both,) = reported(tmp_path)
    assert both == dataclasses.replace(SEEN, stores=("moto", "versitygw"))
    record([both], tmp_path / "record")
    assert recorded(tmp_path / "record") == [both]
    assert json.loads((tmp_path / "record").read_text())[0]["client"] == "a tool"
    report(dataclasses.replace(SEEN, stores=("third",), requests=2))
    with pytest.raises(ValueError, match="not the same"):
        reported(tmp_path)


def test_what_was_never_run_is_not_counted_and_says_so() -> None:
    never = dataclasses.replace(SEEN, client="another", version="")
    page = client_pages.page([never, SEEN], "en")
    assert "Each of these 1 ways" in " ".join(page.split())
    assert "| another | *not run" in page
    assert "| a tool | 1.0 | one request | the whole refusal | 1 | arrives | nothing |" in page
