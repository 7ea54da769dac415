"""A tag is written in one form, and read back by its one inverse."""

import datetime as dt

import pytest
from haechi.domain.tags import Funding, Grade, Tag, TagOrigin
from hypothesis import given
from hypothesis import strategies as st

TAGS = st.builds(
    Tag,
    st.text(),
    st.sampled_from(Grade),
    st.sampled_from(Funding),
    st.text(),
    st.none() | st.datetimes(timezones=st.just(dt.UTC)),
    st.sampled_from(TagOrigin),
)


@given(TAGS)
def test_what_is_written_is_read_back(tag: Tag) -> None:
    assert Tag.from_json(tag.as_json()) == tag


def test_what_is_not_said_is_unknown() -> None:
    said = {"technology": "SEM-01", "grade": "B", "funding": None, "owner": None}
    assert Tag.from_json(said) == Tag("SEM-01", Grade.B, Funding.UNKNOWN, "", None, TagOrigin.CONTENT)


@pytest.mark.parametrize(
    "form",
    [
        None,
        [],
        "SEM-01",
        {},
        {"technology": "SEM-01"},
        {"technology": 1, "grade": "A"},
        {"technology": "SEM-01", "grade": "D"},
        {"technology": "SEM-01", "grade": ["A"]},
        {"technology": "SEM-01", "grade": "A", "funding": "ours"},
        {"technology": "SEM-01", "grade": "A", "marked_at": "yesterday"},
        {"technology": "SEM-01", "grade": "A", "marked_at": 5},
        {"technology": "SEM-01", "grade": "A", "origin": "hearsay"},
    ],
)
def test_what_is_no_tag_is_a_value_error(form: object) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Tag.from_json(form)
