"""Sensitive words in what a request says in the clear: found whatever their dress, and nothing but the word goes on."""

from __future__ import annotations

import pytest
from haechi.domain.content import Content, ContentState
from haechi.domain.disclosure import MOST_TEXT, Said, SensitiveWord, Where, sensitive_words

from tests.policy.base import SEALED

WORDS = ("국가핵심기술", "national core technology")


def found(text: str, where: Where = Where.KEY) -> list[str]:
    return [one.word for one in sensitive_words([Said(where, text)], SEALED, WORDS)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("lots/recipe.csv.age", []),
        ("국가핵심기술_공정.age", ["국가핵심기술"]),
        ("이것은국가핵심기술입니다", ["국가핵심기술"]),
        ("\u1100\u116e\u11a8\u1100\u1161핵심기술", ["국가핵심기술"]),  # written in single letters, as macOS does
        ("a/National-Core_TECHNOLOGY/x", ["national core technology"]),
        ("internationalcoretechnology", []),
        ("SEM-01/lot.csv", ["SEM-01"]),
        ("sem_01.csv", ["SEM-01"]),
        ("ＳＥＭ－０１.csv", ["SEM-01"]),  # full-width letters
        ("SEM-011/lot.csv", []),
        ("XSEM-01", []),
        ("SEM-02/lot.csv", []),  # another technology than the content's own
    ],
)
def test_words_are_found_whatever_their_dress(text: str, words: list[str]) -> None:
    assert found(text) == words


def test_each_place_is_named_once_a_word() -> None:
    said = [Said(Where.KEY, "SEM-01/SEM-01"), Said(Where.TAG, "tech=SEM-01"), Said(Where.KEY, "SEM-01")]
    expected = (SensitiveWord(Where.KEY, "SEM-01"), SensitiveWord(Where.TAG, "SEM-01"))
    assert sensitive_words(said, SEALED, WORDS) == expected


def test_what_other_content_is_called_is_nobodys_business() -> None:
    for state in (ContentState.CLEAN, ContentState.OPAQUE, ContentState.NOT_INSPECTED):
        assert sensitive_words([Said(Where.KEY, "국가핵심기술")], Content(state), WORDS) == ()


def test_no_more_is_looked_through_than_a_store_takes() -> None:
    said = [Said(Where.METADATA, "x" * MOST_TEXT), Said(Where.METADATA, "국가핵심기술")]
    assert sensitive_words(said, SEALED, WORDS) == ()
    assert found("x" * (MOST_TEXT - 10) + " 국가핵심기술") == ["국가핵심기술"]
