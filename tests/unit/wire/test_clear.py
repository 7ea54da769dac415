"""What a request says outside layer 1: all of it, decoded, for the domain to look through."""

from __future__ import annotations

from haechi.domain.disclosure import Said, Where
from haechi_connectors.s3 import clear
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.wire.test_actions import HOST, S3, act, put


def texts(action, where):
    return [one.text for one in action.said if one.where is where]


def test_names_are_listed_decoded():
    action = put("/%EA%B5%AD%EA%B0%80/a")
    assert texts(action, Where.CONTAINER) == ["bkt"]
    assert texts(action, Where.KEY) == ["국가/a"]


def test_tags_and_metadata_are_listed_as_their_writer_meant_them():
    action = act(
        "PUT",
        "/k",
        [
            ("content-length", "5"),
            ("x-amz-tagging", "project=%EB%8C%80%EC%99%B8%EB%B9%84&x=a+b"),
            ("x-amz-meta-plain", "대외비".encode().decode("latin-1")),
            ("x-amz-meta-mime", "=?UTF-8?B?64yA7Jm467mE?="),
            ("x-amz-meta-broken", "=?no-such-charset?B?64yA?= rest"),
            ("content-disposition", "attachment; filename*=UTF-8''%EB%8C%80%EC%99%B8%EB%B9%84.csv"),
        ],
    )
    assert texts(action, Where.TAG) == ["project=대외비&x=a b"]
    assert texts(action, Where.METADATA)[:2] == ["plain 대외비", "mime 대외비"]
    assert "rest" in texts(action, Where.METADATA)[2]
    assert texts(action, Where.FILENAME) == ["attachment; filename*=UTF-8''대외비.csv"]


def test_metadata_in_a_presigned_address_is_listed():
    assert texts(put("/k?x-amz-meta-project=SEM-01"), Where.METADATA) == ["project SEM-01"]


def test_a_form_adds_its_fields():
    boundary = [("content-length", "500"), ("content-type", "multipart/form-data; boundary=b")]
    begun = act("POST", "/", boundary)
    tags = "<Tagging><TagSet><Tag><Key>level</Key><Value>대외비</Value></Tag></TagSet></Tagging>"
    action = S3.with_form(begun, {"key": "lots/a", "x-amz-meta-x": "SEM-01", "tagging": tags})
    assert texts(action, Where.KEY) == ["lots/a"]
    assert texts(action, Where.TAG) == ["level 대외비"]
    assert texts(action, Where.METADATA) == ["x SEM-01"]


def test_what_only_reads_says_nothing():
    assert act("GET", "/SEM-01").said == ()


def test_an_operation_that_nobody_knows_is_listed_too():
    action = act("PUT", "/SEM-01?teleport", [("content-length", "5"), ("x-amz-meta-a", "b")], HOST)
    assert action.reason == "unknown-argument"
    assert [(one.where, one.text) for one in action.said] == [
        (Where.CONTAINER, "bkt"),
        (Where.KEY, "SEM-01"),
        (Where.METADATA, "a b"),
    ]


@given(st.dictionaries(st.sampled_from(["x-amz-tagging", "x-amz-meta-a", "content-disposition", "tagging"]), st.text()))
def test_hostile_fields_are_listed_and_raise_nothing(fields):
    for one in clear.said("b", "k", fields):
        assert isinstance(one, Said)
        assert one.text
