"""What a body to any host may wrap: parts of forms and messages, strings, base64."""

from __future__ import annotations

import base64
import gzip
import json
import random
import tracemalloc
from email import policy
from email.message import EmailMessage
from urllib.parse import urlencode

import pytest
from haechi.domain.upload import BodyShape, Framing
from haechi.payload.body import decoder
from haechi.payload.events import Opaque
from haechi.payload.limits import Limits
from haechi.payload.runs import LEAST
from hypothesis import example, given, settings
from hypothesis import strategies as st

from .bodies import Heard, form, hear, outcome, tar, zipped

SECRET = random.Random(11).randbytes(3001)
SOURCE = "".join(f'    print("{i}: 설계 \\\\ 🦄")\r\n' for i in range(200)).encode()
"""A file of text that JSON has to escape."""


def shape(body: bytes, **facts: object) -> BodyShape:
    return BodyShape(Framing.PLAIN, len(body), unwrap=True, **facts)


def found(body: bytes, *cuts: int, **facts: object) -> list[bytes]:
    return list(hear(shape(body, **facts), body, cuts).streams.values())


def mime(url: bool = False) -> str:
    return (base64.urlsafe_b64encode if url else base64.b64encode)(SECRET).decode()


TEXTS = {
    "a member": json.dumps({"name": "a", "data": mime()}),
    "url-safe, without padding": json.dumps([mime(url=True).rstrip("=")]),
    "slashes escaped": json.dumps({"data": mime()}).replace("/", "\\/"),
    "pluses and equals escaped": json.dumps({"data": mime()}).replace("+", "\\u002b").replace("=", "\\u003D"),
    "lines": json.dumps({"data": base64.encodebytes(SECRET).decode()}),
    "a data URL": json.dumps({"image": "data:image/png;base64," + mime()}),
    "deep": json.dumps({"a": [{"b": {"c": ["x", {"d": mime()}]}}]}),
    "JSON in a string": json.dumps({"payload": json.dumps({"data": mime()})}),
    "lines of JSON": json.dumps({"a": 1}) + "\n" + json.dumps({"data": mime()}) + "\n",
    "with spaces before": "\ufeff \n" + json.dumps({"data": mime()}),
    "twice": json.dumps({"data": base64.b64encode(mime().encode()).decode()}),
    "XML": f"<?xml version='1.0'?><put><data>{mime()}</data></put>",
    "XML of lines": f"<put><data>\r\n{base64.encodebytes(SECRET).decode()}\r\n</data></put>",
    "PEM": f"-----BEGIN THING-----\n{base64.encodebytes(SECRET).decode()}-----END THING-----\n",
    "a page": f"<html><img src='data:image/png;base64,{mime()}'>",
    "a bare run": mime(),
    "urlencoded without escapes": "file=" + mime(url=True),
}


@pytest.mark.parametrize("name", TEXTS)
def test_base64_is_found_wherever_it_stands(name: str) -> None:
    body = TEXTS[name].encode()
    assert SECRET in found(body)
    assert SECRET in found(body, *range(0, len(body), 7))


def test_text_in_a_string_is_compared_as_the_file_it_was() -> None:
    assert SOURCE in found(json.dumps({"path": "a.py", "text": SOURCE.decode()}).encode())
    assert SOURCE in found(json.dumps({"text": SOURCE.decode()}, ensure_ascii=False).encode())


def test_values_of_an_urlencoded_form_are_read() -> None:
    kind = "application/x-www-form-urlencoded"
    body = urlencode({"a": "b", "text": SOURCE, "data": mime(), "raw": SECRET}).encode()
    streams = found(body, content_type=kind)
    assert SOURCE in streams
    assert streams.count(SECRET) == 2
    assert SECRET in found(TEXTS["a member"].encode(), content_type=kind)  # what curl -d calls JSON


def test_containers_in_strings_are_opened() -> None:
    archive = gzip.compress(tar({"a/recipe": SECRET, "b": b"small"}))
    body = json.dumps({"files": [base64.b64encode(archive).decode()]}).encode()
    heard = hear(shape(body), body)
    assert heard.of("a/recipe") == SECRET
    assert not heard.opaque


def test_each_file_of_a_form_is_a_stream_whatever_its_field_is_called() -> None:
    body = form([("note", b"hello", None), ("upload", SECRET, "one.bin"), ("upload2", SOURCE, "two.txt"),
                 ("file", b"third", "3"), ("more", zipped({"in.bin": SECRET}), "z.zip")])  # fmt: skip
    for cuts in ((), range(len(body))):
        heard = hear(shape(body, boundary="AaB03x"), body, cuts)
        assert heard.of("one.bin") == heard.of("in.bin") == SECRET
        assert heard.of("two.txt") == SOURCE
        assert heard.of("3") == b"third"
        assert heard.of("note") == b"hello"
        assert heard.streams[0] == body
        assert not heard.opaque


def test_a_form_is_complete_with_its_body_not_with_its_first_file() -> None:
    body = form([("file", b"one", "1"), ("file", b"two", "2")])
    made = decoder(shape(body, boundary="AaB03x"))
    for at in range(len(body)):
        assert not made.complete
        made.feed(body[at : at + 1])
    assert made.complete


@pytest.mark.parametrize("lines", [policy.default, policy.SMTP], ids=["LF", "CRLF"])
def test_parts_of_a_message_are_decoded(lines: policy.EmailPolicy) -> None:
    message = EmailMessage()
    message["Subject"] = "drawing"
    message.set_content("see below")
    message.add_attachment(SECRET, maintype="application", subtype="octet-stream", filename="recipe.bin")
    message.add_attachment(b"tiny", maintype="application", subtype="octet-stream", filename="tiny.bin")
    whole = message.as_bytes(policy=lines)
    boundary = message.get_boundary()
    assert SECRET in found(whole)  # nobody said that it is a message
    streams = found(whole, boundary=boundary)
    assert SECRET in streams
    assert b"tiny" in streams  # said to be base64, so it need not be long


def test_apostrophes_around_a_boundary_may_be_meant_as_quotes() -> None:
    meant = form([("a", SECRET, "a.bin")], boundary="==1==")
    assert SECRET in found(meant, boundary="'==1=='")
    said = form([("a", SECRET, "a.bin")], boundary="'==1=='")
    assert SECRET in found(said, boundary="'==1=='")


def test_a_gzipped_form_is_read() -> None:
    body = gzip.compress(form([("a", SECRET, "a.bin")]))
    assert SECRET in found(body, boundary="AaB03x", content_encodings=("gzip",))


def test_what_resembles_a_boundary_is_content() -> None:
    content = b"\r\n--AaB03\r\n--AaB03xy\r\n--AaB03x y\r\n-\r\n\r\n--"
    body = form([("a", content, "a"), ("empty", b"", "e")])
    for cuts in ((), range(len(body))):
        heard = hear(shape(body, boundary="AaB03x"), body, cuts)
        assert heard.of("a") == content
        assert heard.of("e") == b""
        assert not heard.opaque


@pytest.mark.parametrize(
    ("body", "boundary"),
    [
        (form([("a", SECRET, "a")]) + b"\r\nmore", "AaB03x"),
        (form([("a", SECRET, "a")])[:-6], "AaB03x"),
        (b"no parts at all", "AaB03x"),
        (form([("a", SECRET, "a")]), "other"),
        (form([("a", SECRET, "a")]), "not\x00a boundary"),
        (b"--AaB03x\r\n" + b"A" * 100_000 + b": b\r\n\r\n--AaB03x--", "AaB03x"),
        (b"--AaB03x\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=41\r\n--AaB03x--\r\n", "AaB03x"),
    ],
)
def test_parts_that_cannot_be_read_are_opaque_never_clean(body: bytes, boundary: str) -> None:
    heard = hear(shape(body, boundary=boundary), body)
    assert heard.opaque
    assert heard.streams[0] == body


def test_words_and_digests_are_no_base64() -> None:
    text = json.dumps({"sha512": "0123456789abcdef" * 8, "words": "these are words " * 40, "upper": "AB12" * 16})
    opened = [
        event for event in hear(shape(text.encode()), text.encode()).structure if getattr(event, "name", "") == "base64"
    ]
    assert opened == []


@pytest.mark.parametrize("size", [48, 49, 200, 5000])
def test_a_file_that_begins_with_zeros_is_no_digest(size: int) -> None:
    content = b"\0" * size + b"!" * (size > 48)
    body = json.dumps([base64.b64encode(content).decode()]).encode()
    assert (content in found(body)) is (size > 48), "48 zeros look like a digest of 64 digits, and hold nothing"


def test_nor_is_its_first_line() -> None:
    content = b"\0" * 48 + SECRET
    text = "\n".join(base64.b64encode(content[at : at + 48]).decode() for at in range(0, len(content), 48))
    assert content in found(f"<data>{text}</data>".encode())


def test_what_is_wrapped_too_often_is_opaque() -> None:
    body = SECRET
    for _ in range(Limits().wraps + 1):
        body = base64.b64encode(body)
    heard = hear(shape(body), body)
    assert heard.opaque == ["too-deep"]
    assert SECRET not in heard.streams.values()


def test_a_cloud_that_stores_the_text_itself_is_not_asked_to_unwrap_it() -> None:
    body = TEXTS["a member"].encode()
    assert hear(BodyShape(Framing.PLAIN, len(body)), body).streams == {0: body}


@pytest.mark.parametrize("name", ["one string", "many strings", "escapes", "a run", "form"])
def test_memory_does_not_grow_with_the_body(name: str) -> None:
    piece = {
        "one string": b"QUJD" * (16 << 10),
        "many strings": b'",\n"' + b"words of text " * 4600,
        "escapes": rb"\u00e9\n" * (8 << 10),
        "a run": b"QUJD" * (16 << 10),
        "form": b"%41+" * (16 << 10),
    }[name]
    begin = {"a run": b"QUJD", "form": b"a="}.get(name, b'{"a":"')
    kind = "application/x-www-form-urlencoded" if name == "form" else ""
    made = decoder(BodyShape(Framing.PLAIN, None, unwrap=True, content_type=kind))
    made.feed(begin)

    def peak(pieces: int) -> int:
        tracemalloc.start()
        for _ in range(pieces):
            made.feed(piece)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(2)
    assert peak(24) < peak(4) + 4 * len(piece)


SAID = st.sampled_from([b'"', b"\\", b"\\u", b"d83e", b"\\ud83e\\udd84", b"\\n", b"{", b"[", b",", b"=", b"&", b"%4",
                        b"%41", b"\r\n",
                        b"--", b"-", b"A" * LEAST, b"QUJD" * 13, b"+/", b" ", b"a", b"\xc3\xa9", b"--x\r\n", b"\r\n--x",
                        b"content-transfer-encoding: base64\r\n\r\n", b"PK\x03\x04", b"\x00"])  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(
    st.lists(SAID, max_size=40), st.lists(st.integers(0, 600), max_size=8), st.sampled_from(["", "x"]), st.booleans()
)
@example([b"{", b'"', b"\\ud83e", b"\\", b"u"], [8, 9], "", False)
def test_how_a_body_is_cut_changes_nothing(said: list[bytes], cuts: list[int], boundary: str, form_like: bool) -> None:
    body = b"".join(said)
    kind = "application/x-www-form-urlencoded" if form_like else ""
    facts = shape(body, boundary=boundary, content_type=kind)
    whole = outcome(facts, body)
    assert outcome(facts, body, cuts) == whole
    assert outcome(facts, body, range(len(body))) == whole


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400), st.binary(min_size=49, max_size=3000))
def test_whatever_the_content_it_is_found_again(before: bytes, content: bytes) -> None:
    body = json.dumps({"x": base64.b64encode(before).decode(), "data": base64.b64encode(content).decode()}).encode()
    if set(base64.b64encode(content)) - set(b"0123456789ABCDEF"):
        assert content in found(body)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=2000), st.sampled_from(["", "x"]))
def test_hostile_bytes_are_read_or_opaque_never_an_error(body: bytes, boundary: str) -> None:
    heard = Heard()
    made = decoder(shape(body, boundary=boundary))
    heard.take(made.feed(body))
    heard.take(made.finish())
    assert heard.streams.get(0, b"") == body
    assert all(isinstance(event.cause, str) for event in heard.structure if isinstance(event, Opaque))
