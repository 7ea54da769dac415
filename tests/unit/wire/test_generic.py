"""What a request does at a host that nobody knows, and how its refusal reads."""

from __future__ import annotations

import json

import pytest
from haechi.domain.upload import ActionKind, Assembly, Framing, Location, Request
from haechi.ports.connector import RefusalText
from haechi_connectors.generic.connector import GenericConnector
from hypothesis import given, settings
from hypothesis import strategies as st

HOST = "files.example.org"
TEXT = RefusalText("AccessDenied", "국가핵심기술 <SEM-01> & R24: 승인이 없습니다 [dec-01J]", "dec-01J")
READ, UPLOAD, COPY = ActionKind.READ, ActionKind.UPLOAD, ActionKind.COPY
UNRECOGNISED = ActionKind.UNRECOGNISED


def ask(method: str, target: str = "/a/b.bin", *, length: int | None = None, **headers: str):
    said = [(name.replace("_", "-"), value) for name, value in headers.items()]
    if length is not None:
        said.append(("content-length", str(length)))
    return GenericConnector().action(Request(method, "https", HOST, target, tuple(said)))


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "DELETE", "PROPFIND", "REPORT", "LOCK", "UNLOCK"])
def test_what_carries_nothing_reads(method: str) -> None:
    assert ask(method).kind is READ
    assert ask(method, length=0).kind is READ


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_a_body_where_none_belongs_is_not_recognised(method: str) -> None:
    assert ask(method, length=5).kind is UNRECOGNISED
    assert ask(method, transfer_encoding="chunked").kind is UNRECOGNISED


@pytest.mark.parametrize("method", ["PUT", "POST", "PATCH", "PROPPATCH", "PROPFIND", "REPORT", "MKCOL", "LOCK", "FOO"])
def test_a_body_uploads(method: str) -> None:
    action = ask(method, length=5)
    assert action.kind is UPLOAD
    assert action.body.framing is Framing.PLAIN
    assert action.body.unwrap
    assert action.destination is not None
    assert (action.destination.container, action.destination.key) == (HOST, "a/b.bin")


def test_a_collection_is_made_without_content() -> None:
    assert ask("MKCOL").kind is ActionKind.PREPARE


def test_access_rights_expose() -> None:
    action = ask("ACL", length=100)
    assert action.kind is ActionKind.EXPOSE
    assert action.body.framing is Framing.DOCUMENT
    assert [change.aspect for change in action.exposures] == ["acl"]


@pytest.mark.parametrize("method", ["COPY", "MOVE"])
@pytest.mark.parametrize(
    ("destination", "place"),
    [
        ("/c/d%20e", (HOST, "c/d e")),
        ("https://other.example.net:8443/x/y", ("other.example.net", "x/y")),
        ("https://who:secret@other.example.net/x", ("other.example.net", "x")),
    ],
)
def test_a_copy_goes_where_its_header_says(method: str, destination: str, place: tuple[str, str]) -> None:
    action = ask(method, destination=destination)
    assert action.kind is COPY
    assert action.source is not None
    assert action.source.key == "a/b.bin"
    assert isinstance(action.destination, Location)
    assert (action.destination.container, action.destination.key) == place
    assert "secret" not in repr(action)


@pytest.mark.parametrize("headers", [{}, {"destination": "ftp://x/y"}, {"destination": "x"}, {"destination": "//["}])
def test_a_copy_to_nowhere_is_not_recognised(headers: dict[str, str]) -> None:
    assert ask("COPY", **headers).reason == "destination"
    assert ask("COPY", length=3, destination="/x").reason == "unexpected-body"


def test_pieces_belong_to_the_address_that_they_are_sent_to() -> None:
    first, next_ = ask("PATCH", length=10, upload_offset="0"), ask("PATCH", length=10, upload_offset="10")
    assert first.assembly == Assembly("/a/b.bin", part=0, grows=True, begins=True)
    assert next_.assembly == Assembly("/a/b.bin", part=10, grows=True)
    ranged = ask("PUT", length=10, content_range="bytes 10-19/100")
    assert ranged.assembly == next_.assembly
    assert ask("PUT", "/x?sig=secret", length=10, upload_offset="0").assembly != first.assembly
    assert "secret" not in repr(ask("PUT", "/x?sig=secret", length=10, upload_offset="0").assembly)


def test_a_range_that_is_all_of_it_is_the_object() -> None:
    action = ask("PUT", length=100, content_range="bytes 0-99/100")
    assert (action.kind, action.assembly) == (UPLOAD, None)
    assert ask("PUT", length=0, content_range="bytes */100").kind is UPLOAD


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"upload_offset": "x"}, "offset"),
        ({"upload_offset": "-1"}, "offset"),
        ({"upload_offset": "9" * 30}, "offset"),
        ({"upload_offset": "0", "content_range": "bytes 0-9/100"}, "offset"),
        ({"content_range": "bytes 0-5/100"}, "range"),
        ({"content_range": "bytes 9-0/100"}, "range"),
        ({"content_range": "bytes 95-104/100"}, "range"),
        ({"content_range": "bytes */100"}, "range"),
        ({"content_range": "lines 0-9/100"}, "range"),
        ({"upload_concat": "final;/a /b"}, "concatenation"),
        ({"content_encoding": "aws-chunked"}, "chunking"),
    ],
)
def test_what_says_two_things_is_not_recognised(headers: dict[str, str], reason: str) -> None:
    action = ask("PATCH", length=10, **headers)
    assert (action.kind, action.reason) == (UNRECOGNISED, reason)


@pytest.mark.parametrize(
    ("method", "headers", "reason"),
    [
        ("PUT", {"x_ms_copy_source": "https://fab1.blob.core.windows.net/c/k"}, "copy-source"),
        ("PUT", {"x_amz_copy_source": "/b/k"}, "copy-source"),
        ("PUT", {"x_ms_file_rename_source": "/b/k"}, "copy-source"),
        ("PUT", {"x_copy_from": "/b/k"}, "copy-source"),
        ("BIND", {}, "binding"),
        ("POST", {"x_http_method_override": "copy", "destination": "/x"}, "method-override"),
        ("GET", {"x_http_method": "PUT"}, "method-override"),
        ("POST", {"content_type": "multipart/form-data"}, "boundary"),
        ("POST", {"content_type": "multipart/form-data; boundary*=utf-8''x"}, "boundary"),
    ],
)
@pytest.mark.parametrize("length", [0, 10])
def test_what_may_give_away_what_it_does_not_carry_is_not_recognised(
    method: str, headers: dict[str, str], reason: str, length: int
) -> None:
    action = ask(method, length=length, **headers)
    assert (action.kind, action.reason) == (UNRECOGNISED, reason)


def test_another_method_of_the_same_kind_is_an_upload() -> None:
    assert ask("POST", length=10, x_http_method_override="PATCH").kind is UPLOAD
    assert ask("POST", length=10, x_http_method="MERGE").kind is UPLOAD


def test_a_range_says_where_a_body_of_any_length_ends() -> None:
    """A server that has all that the range promised need not wait for the body's end."""
    action = ask("PUT", transfer_encoding="chunked", content_range="bytes 0-9/10")
    assert action.body.wire_length == 10
    assert ask("PUT", transfer_encoding="chunked", content_range="bytes 10-29/30").body.wire_length == 20
    assert ask("PUT", transfer_encoding="chunked").body.wire_length is None


def test_firebase_says_offsets_too() -> None:
    assert ask("POST", length=10, x_goog_upload_offset="10").assembly == Assembly("/a/b.bin", part=10, grows=True)


def test_two_kinds_of_content_are_not_recognised() -> None:
    said = (
        ("content-type", "text/plain"),
        ("content-type", "multipart/form-data; boundary=x"),
        ("content-length", "5"),
    )
    action = GenericConnector().action(Request("POST", "https", HOST, "/", said))
    assert (action.kind, action.reason) == (UNRECOGNISED, "content-type")


@pytest.mark.parametrize("kind", ["multipart/form-data", "multipart/related", "Multipart/Mixed"])
def test_the_boundary_of_parts_is_read(kind: str) -> None:
    assert ask("POST", length=5, content_type=f'{kind}; boundary="a b"').body.boundary == "a b"


def test_a_push_is_gits() -> None:
    action = ask("POST", "/r.git/git-receive-pack", length=5, content_type="application/x-git-receive-pack-request")
    assert (action.service, action.kind) == ("git", UPLOAD)


TOKEN = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=30)
NAMES = st.sampled_from(
    ["content-length", "content-type", "content-encoding", "transfer-encoding", "destination", "upload-offset",
     "content-range", "upload-concat", "x-amz-content-sha256", "x-amz-decoded-content-length"]
)  # fmt: skip


@settings(max_examples=300)
@given(TOKEN, TOKEN, st.lists(st.tuples(NAMES, TOKEN), max_size=5), TOKEN)
def test_every_head_gets_an_answer(method: str, target: str, headers: list[tuple[str, str]], host: str) -> None:
    action = GenericConnector().action(Request(method, "https", host, target, tuple(headers)))
    assert action.kind in ActionKind


def reply(method: str = "POST", **headers: str):
    said = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return GenericConnector().refusal(TEXT, Request(method, "https", HOST, "/", said))


BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", "text/plain"),
        ("*/*", "text/plain"),
        (BROWSER, "text/html"),
        ("application/json, text/plain, */*", "application/json"),
        ("application/json;q=0.1, text/html;q=0.9", "text/html"),
        ("text/html;q=0, application/json;q=x", "text/plain"),
        ("text/plain", "text/plain"),
    ],
)
def test_a_refusal_takes_the_form_that_is_asked_for(accept: str, form: str) -> None:
    answer = reply(accept=accept)
    headers = dict(answer.headers)
    assert answer.status == 403
    assert headers["content-type"] == f"{form}; charset=utf-8"
    assert headers["x-haechi-decision"] == "dec-01J"


def test_the_words_stand_in_every_form() -> None:
    assert reply().body.decode() == TEXT.message + "\n"
    assert json.loads(reply(accept="application/json").body)["error"]["message"] == TEXT.message
    page = reply(accept="text/html").body.decode()
    assert "국가핵심기술 &lt;SEM-01&gt; &amp; R24" in page
    assert reply("HEAD").body == b""


def test_git_is_told_in_its_own_report() -> None:
    answer = reply(content_type="application/x-git-receive-pack-request")
    assert answer.status == 200
    packets, at = [], 0
    while size := int(answer.body[at : at + 4], 16):
        packets.append(answer.body[at + 4 : at + size])
        at += size
    assert answer.body[at:] == b"0000"
    assert b"".join(one[1:] for one in packets if one[:1] == b"\x02").decode() == TEXT.message + "\n"
    (report,) = [one[1:] for one in packets if one[:1] == b"\x01"]
    assert report[4:].startswith(b"unpack haechi dec-01J\n")
    assert b"unpack ok" not in answer.body
    assert report.endswith(b"0000")
