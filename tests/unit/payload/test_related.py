"""multipart/related bodies: what Google's clients write, and what must be refused."""

from __future__ import annotations

import json

import pytest
from haechi.domain.upload import BodyShape, Framing
from haechi.payload.body import decoder
from haechi.payload.events import Bytes, MalformedError
from hypothesis import given, settings
from hypothesis import strategies as st

DOCUMENT = {"name": "a/b", "metadata": {"lot": "N3"}}


def body(media: bytes, document=DOCUMENT, nl=b"\r\n", boundary=b"==0==", more=b"", end=b""):
    text = document if isinstance(document, bytes) else json.dumps(document).encode()
    parts = (
        b"--" + boundary, b"content-type: application/json; charset=UTF-8", b"", text,
        b"--" + boundary, b"content-type: text/plain", *([more] if more else []), b"",
    )  # fmt: skip
    return nl.join(parts) + nl + media + nl + b"--" + boundary + b"--" + end


def decoded(raw: bytes, cut: int = 1 << 20, *, length: int | None = None):
    made = decoder(BodyShape(Framing.RELATED, len(raw) if length is None else length, boundary="==0=="))
    streams: dict[int, bytes] = {}
    complete_at = None
    for at in range(0, len(raw), cut):
        for event in made.feed(raw[at : at + cut]):
            if isinstance(event, Bytes):
                streams[event.stream] = streams.get(event.stream, b"") + bytes(event.data)
        if made.complete and complete_at is None:
            complete_at = at + cut
    made.finish()
    return streams, made.fields, complete_at


@pytest.mark.parametrize("nl", [b"\r\n", b"\n"])
@pytest.mark.parametrize(
    "media", [b"", b"x", b"bytes\r\nof\n\nan--object\r\n", b"--==0", b"\n" * 9, bytes(range(256)) * 40]
)
def test_the_object_and_what_is_said_of_it(nl, media):
    streams, fields, _ = decoded(body(media, nl=nl))
    assert streams.get(0, b"") == media
    assert json.loads(fields["metadata"]) == DOCUMENT


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300), st.integers(1, 90), st.sampled_from([b"\r\n", b"\n"]))
def test_how_it_is_cut_changes_nothing(media, cut, nl):
    if b"--==0==" in media:
        return
    assert decoded(body(media, nl=nl), cut)[:2] == decoded(body(media, nl=nl))[:2]
    assert decoded(body(media, nl=nl), cut)[0].get(0, b"") == media


def test_it_is_complete_with_the_closing_boundary_and_no_earlier():
    raw = body(b"x" * 50)
    assert decoded(raw, 1)[2] == len(raw)
    assert decoded(raw + b"\r\n", 1)[2] == len(raw)


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (body(b"x")[:-1], "cut-short"),
        (body(b"x")[:-5], "cut-short"),
        (body(b"a--==0==b"), "boundary"),
        (body(b"a\n--==0==--"), "boundary"),
        (body(b"a\r\n--==0==\r\n\r\nmore"), "too-many-parts"),
        (body(b"x", end=b"\r\nsmuggled"), "trailing-bytes"),
        (b"preamble\r\n" + body(b"x"), "boundary"),
        (b"--==0==\r\n\r\n{}\r\n--==0==--", "no-file"),
        (body(b"x", more=b"Content-Transfer-Encoding: base64"), "transfer-encoding"),
        (body(b"x", more=b"content-type: again"), "part-header"),
        (body(b"x", more=b" folded"), "part-header"),
        (body(b"x", b'{"name":"a","name":"b"}'), "metadata"),
        (body(b"x", b"[]"), "metadata"),
        (body(b"x", b"\xff"), "field-encoding"),
        (body(b"x", json.dumps({"name": "n" * 70_000}).encode()), "field-too-long"),
        (body(b"x", more=b"x-a: " + b"a" * 9000), "part-header"),
    ],
)
def test_what_two_parsers_could_read_differently_is_refused(raw, code):
    for cut in (1, 7, 1 << 20):
        with pytest.raises(MalformedError) as caught:
            decoded(raw, cut)
        assert caught.value.code == code


def test_a_claimed_length_is_held_against_the_bytes():
    raw = body(b"x")
    for length in (len(raw) - 1, len(raw) + 1):
        with pytest.raises(MalformedError):
            decoded(raw, length=length)


def test_a_coding_that_the_document_names_is_undone():
    import gzip

    streams, _, _ = decoded(body(gzip.compress(b"inside" * 99), {"name": "k", "contentEncoding": "gzip"}))
    assert b"inside" * 99 in streams.values()


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from([b"--==0==", b"--", b"\r\n", b"\n", b"{}", b"a: b", b"x", b"\r"]), max_size=14))
def test_any_bytes_are_decoded_or_refused(parts):
    raw = b"".join(parts)
    try:
        streams, fields, _ = decoded(raw)
    except MalformedError:
        return
    assert "metadata" in fields and len(streams.get(0, b"")) < len(raw)


def test_what_googles_command_line_tools_write_is_decoded():
    """They use the standard library's generator of messages, without the root's headers: lines end with LF alone."""
    import io
    from email.generator import BytesGenerator
    from email.mime.multipart import MIMEMultipart
    from email.mime.nonmultipart import MIMENonMultipart

    root = MIMEMultipart("related", boundary="==0==")
    root._write_headers = lambda generator: None
    for kind, payload in (
        ("application/json", json.dumps(DOCUMENT)),
        ("application/octet-stream", "bytes\nof an object"),
    ):
        part = MIMENonMultipart(*kind.split("/"))
        part.set_payload(payload)
        root.attach(part)
    written = io.BytesIO()
    BytesGenerator(written, mangle_from_=False).flatten(root, unixfrom=False)
    streams, fields, _ = decoded(written.getvalue())
    assert streams[0] == b"bytes\nof an object"
    assert json.loads(fields["metadata"]) == DOCUMENT
