"""Framing of bodies: plain, aws-chunked and forms; strict, and the same however a body is cut."""

from __future__ import annotations

import pytest
from haechi.domain.upload import BodyShape, Framing
from haechi.payload.body import decoder
from haechi.payload.events import Bytes, MalformedError
from hypothesis import given, settings
from hypothesis import strategies as st

from .bodies import SIGNATURE, TRAILER, chunked, form, hear, outcome

DATA = bytes(range(256)) * 100
SIZE = len(DATA)
FORMS = [(True, False), (True, True), (False, True), (False, False)]
cuts = st.lists(st.integers(0, 30_000), max_size=12)


def shape(body, decoded=SIZE, *, signed=True, trailer=False):
    return BodyShape(Framing.AWS_CHUNKED, len(body), decoded, trailer=trailer, signed_chunks=signed)


@pytest.mark.parametrize(("signed", "trailer"), FORMS)
def test_every_chunked_form_gives_the_object(signed, trailer):
    body = chunked(DATA, signed=signed, trailer=trailer)
    assert hear(shape(body, signed=signed, trailer=trailer), body).streams == {0: DATA}


def test_an_ecdsa_signature_is_a_signature():
    ecdsa = b";chunk-signature=" + b"3046" * 35 + b"****"
    body = chunked(DATA).replace(SIGNATURE, ecdsa)
    assert hear(shape(body), body).streams == {0: DATA}


@settings(max_examples=100)
@given(cuts, st.sampled_from(FORMS), st.integers(1, 9000))
def test_cutting_a_chunked_body_changes_nothing(places, kind, size):
    size = max(size, 50)
    body = chunked(DATA, size, signed=kind[0], trailer=kind[1])
    wanted = shape(body, signed=kind[0], trailer=kind[1])
    assert outcome(wanted, body, places) == outcome(wanted, body)


def test_complete_at_the_last_byte_of_the_object():
    body = chunked(b"abc")
    made = decoder(shape(body, 3))
    end = body.index(b"abc") + 3
    made.feed(body[: end - 1])
    assert not made.complete
    made.feed(body[end - 1 : end])
    assert made.complete
    unsized = decoder(shape(body, None))
    unsized.feed(body[: body.index(b"\r\n0;") + 2])
    assert not unsized.complete
    unsized.feed(body[body.index(b"\r\n0;") + 2 :])
    assert unsized.complete


@pytest.mark.parametrize(
    ("body", "decoded", "code"),
    [
        (chunked(b"abc").replace(b"3;", b"0x3;", 1), 3, "chunk-size"),
        (chunked(b"abc").replace(b"3;", b" 3;", 1), 3, "chunk-size"),
        (chunked(b"abc").replace(b"3;", b"-3;", 1), 3, "chunk-size"),
        (chunked(b"abc").replace(b"3;", b"3 ;", 1), 3, "chunk-size"),
        (chunked(b"abc").replace(SIGNATURE, b"", 1), 3, "chunk-signature"),
        (chunked(b"abc").replace(SIGNATURE, SIGNATURE + b";x=y", 1), 3, "chunk-signature"),
        (chunked(b"abc").replace(b"abc\r\n", b"abcd\r\n"), 3, "chunk-end"),
        (chunked(b"abc").replace(b"abc\r\n", b"abc\n"), 3, "chunk-end"),
        (chunked(b"abc"), 2, "length-mismatch"),
        (chunked(b"abc"), 4, "length-mismatch"),
        (chunked(b"abc") + b"x", 3, "trailing-bytes"),
        (chunked(b"abc")[:-1], 3, "cut-short"),
        (chunked(b"abc")[:-2], 3, "cut-short"),
        (chunked(b"abc").replace(b"\r\n\r\n", b"\r\n" + TRAILER + b"\r\n"), 3, "trailer"),
        (b"1" * 1000, 3, "chunk-size"),
        (b"", 3, "cut-short"),
    ],
)
def test_malformed_chunking_is_refused(body, decoded, code):
    with pytest.raises(MalformedError) as caught:
        hear(shape(body, decoded), body)
    assert caught.value.code == code


@pytest.mark.parametrize(
    "more", [b"x-amz-meta-rider: c2VjcmV0\r\n", TRAILER * 4, b"x-amz-checksum-crc32c:" + b"A" * 257]
)
def test_a_trailer_carries_checksums_and_nothing_else(more):
    body = chunked(b"abc", trailer=True).replace(TRAILER, TRAILER + more)
    with pytest.raises(MalformedError) as caught:
        hear(shape(body, 3, trailer=True), body)
    assert caught.value.code == "trailer"


def test_a_wire_length_that_lies_is_refused():
    body = chunked(b"abc")
    for length in (len(body) - 1, len(body) + 1):
        with pytest.raises(MalformedError) as caught:
            hear(BodyShape(Framing.AWS_CHUNKED, length, 3, signed_chunks=True), body)
        assert caught.value.code == "length-mismatch"


def test_plain_lengths():
    assert hear(BodyShape(Framing.PLAIN, len(DATA)), DATA).streams == {0: DATA}
    for length, code in ((len(DATA) - 1, "length-mismatch"), (len(DATA) + 1, "cut-short")):
        with pytest.raises(MalformedError) as caught:
            hear(BodyShape(Framing.PLAIN, length), DATA)
        assert caught.value.code == code
    with pytest.raises(MalformedError):
        hear(BodyShape(Framing.PLAIN, 3, 4), b"abc")
    made = decoder(BodyShape(Framing.PLAIN, 3))
    made.feed(b"ab")
    assert not made.complete
    made.feed(b"c")
    assert made.complete
    assert decoder(BodyShape(Framing.PLAIN, 0)).complete
    assert decoder(BodyShape(Framing.NONE)).complete


def test_a_plain_piece_is_passed_on_without_a_copy():
    piece = bytes(1 << 20)
    made = decoder(BodyShape(Framing.PLAIN, 3 << 20))
    made.feed(b"x" * (1 << 20))
    (event,) = made.feed(piece)
    assert isinstance(event, Bytes)
    assert event.data.obj is piece


PARTS = [("key", "설계/k".encode(), None), ("acl", b"private", None), ("X-Amz-Credential", b"AKID/x", None),
         ("file", DATA, "a.bin"), ("submit", b"late", None)]  # fmt: skip
FORM = form(PARTS)
FORM_SHAPE = BodyShape(Framing.FORM, len(FORM), boundary="AaB03x")


def test_a_form_gives_file_fields_and_other_parts():
    made = decoder(FORM_SHAPE)
    start = FORM.index(b'name="file"')
    made.feed(FORM[:start])
    assert not made.complete
    events = made.feed(FORM[start : start + 200])
    assert any(isinstance(e, Bytes) and e.stream == 0 for e in events)
    assert dict(made.fields) == {"key": "설계/k", "acl": "private", "x-amz-credential": "AKID/x"}
    heard = hear(FORM_SHAPE, FORM)
    assert heard.of("file") == heard.streams[0] == DATA
    assert heard.of("submit") == b"late"


def test_a_form_is_complete_when_its_file_ends():
    made = decoder(FORM_SHAPE)
    end = FORM.index(b'\r\n--AaB03x\r\nContent-Disposition: form-data; name="submit"')
    made.feed(FORM[: end + 10])
    assert not made.complete
    made.feed(FORM[end + 10 : end + 12])
    assert made.complete


@settings(max_examples=150)
@given(cuts)
def test_cutting_a_form_changes_nothing(places):
    assert outcome(FORM_SHAPE, FORM, places) == outcome(FORM_SHAPE, FORM)


@settings(max_examples=100)
@given(
    st.lists(st.integers(0, 400), max_size=30), st.sampled_from([b"\r\n--AaB03", b"\r", b"\r\n", b"--", b"\r\n--", b""])
)
def test_near_boundaries_in_a_file_are_its_bytes(places, near):
    data = near + b"y" + near + b"\r\n" + near
    body = form([("key", b"k", None), ("file", data, "f")])
    heard = hear(BodyShape(Framing.FORM, len(body), boundary="AaB03x"), body, places)
    assert heard.streams[0] == data


FILE = ("file", b"data", "f")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (form([FILE, FILE]), "duplicate-field"),
        (form([("key", b"a", None), ("KEY", b"b", None), FILE]), "duplicate-field"),
        (form([("key", b"a", None)]), "no-file"),
        (form([FILE])[:-3], "cut-short"),
        (form([FILE]) + b"more", "trailing-bytes"),
        (form([FILE], closing=b"--X\r\n"), "trailing-bytes"),
        (form([("file", b"a\r\n--AaB03xY\r\nb", "f")]), "boundary"),
        (form([("file", b"a--AaB03x b", "f")]), "boundary"),
        (b"preamble\r\n" + form([FILE]), "boundary"),
        (form([FILE]).replace(b'name="file"', b'name="key"; name="file"'), "part-header"),
        (form([FILE]).replace(b"Content-Disposition", b"Content-Position"), "part-header"),
        (form([FILE]).replace(b"Content-Type: application/octet-stream", b"Content-Transfer-Encoding: base64"),
         "transfer-encoding"),
        (form([("key", b"\xff", None), FILE]), "field-encoding"),
        (form([("key", b"x" * 70_000, None), FILE]), "field-too-long"),
        (form([(f"f{i}", b"", None) for i in range(300)]), "too-many-parts"),
    ],
)  # fmt: skip
def test_a_form_that_can_be_read_in_two_ways_is_refused(body, code):
    with pytest.raises(MalformedError) as caught:
        hear(BodyShape(Framing.FORM, len(body), boundary="AaB03x"), body)
    assert caught.value.code == code


@settings(max_examples=150)
@given(
    st.sampled_from([Framing.PLAIN, Framing.AWS_CHUNKED, Framing.FORM, Framing.DOCUMENT, Framing.NONE]),
    st.binary(max_size=300) | st.sampled_from([FORM, chunked(b"abc"), chunked(b"abc", trailer=True)]),
    st.none() | st.integers(0, 400),
    st.none() | st.integers(0, 400),
    st.text(max_size=9) | st.just("AaB03x"),
    st.booleans(),
    st.booleans(),
    st.lists(st.integers(0, 400), max_size=6),
    st.integers(0, 30_000),
    st.binary(max_size=3),
)
def test_any_body_is_decoded_or_malformed(framing, body, wire, decoded, boundary, trailer, signed, places, at, noise):
    body = body[:at] + noise + body[at + 1 :]
    kind = BodyShape(framing, wire, decoded, boundary, (), "", trailer, signed)
    assert outcome(kind, body, places) == outcome(kind, body)
