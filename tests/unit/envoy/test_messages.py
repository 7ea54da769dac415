from __future__ import annotations

import pytest
from envoy.config.core.v3 import base_pb2
from envoy.service.ext_proc.v3 import external_processor_pb2 as ext_proc
from haechi.inbound.envoy import messages
from haechi.ports.judge import Reply
from hypothesis import given, settings
from hypothesis import strategies as st


@settings(max_examples=100)
@given(st.binary(max_size=70000), st.booleans(), st.booleans())
def test_a_piece_reads_as_the_official_class_wrote_it(body, end, without):
    written = ext_proc.ProcessingRequest(
        request_body=ext_proc.HttpBody(body=body, end_of_stream=end, end_of_stream_without_message=without)
    )
    piece = messages.piece_of(written.SerializeToString())
    assert piece is not None
    assert (bytes(piece.data), piece.last) == (body, end or without)


@settings(max_examples=100)
@given(st.binary(max_size=70000), st.booleans())
def test_a_replayed_piece_is_what_the_official_class_reads(body, last):
    sent = ext_proc.ProcessingResponse.FromString(messages.replayed(body, last=last))
    streamed = sent.request_body.response.body_mutation.streamed_response
    assert (streamed.body, streamed.end_of_stream) == (body, last)
    expected = ext_proc.ProcessingResponse()
    expected.request_body.response.body_mutation.streamed_response.CopyFrom(streamed)
    assert sent == expected


@settings(max_examples=200)
@given(st.binary(max_size=60))
def test_hostile_bytes_give_a_piece_or_a_named_error(noise):
    try:
        piece = messages.piece_of(b"\x22" + noise)
    except ValueError:
        return
    assert piece is not None
    assert bytes(piece.data) in b"\x22" + noise


@pytest.mark.parametrize(
    "message",
    [
        ext_proc.ProcessingRequest(request_headers=ext_proc.HttpHeaders(end_of_stream=True)),
        ext_proc.ProcessingRequest(request_trailers=ext_proc.HttpTrailers()),
    ],
)
def test_other_messages_are_left_alone(message):
    assert messages.piece_of(message.SerializeToString()) is None


def head(*pairs: tuple[str, bytes], body: bool = False) -> ext_proc.HttpHeaders:
    made = ext_proc.HttpHeaders(end_of_stream=not body)
    for key, value in pairs:
        made.headers.headers.append(base_pb2.HeaderValue(key=key, raw_value=value))
    return made


def test_a_head_becomes_a_request():
    said = head(
        (":method", b"PUT"),
        (":scheme", b"http"),  # what a client's x-forwarded-proto made of it
        (":authority", b"Bucket.S3.amazonaws.com"),
        (":path", b"/a//b%2F?x=%7E"),
        ("x-twice", b"1"),
        ("x-twice", b"2"),
        ("x-haechi-body", b"secret"),
        ("x-forwarded-proto", b"http"),
    )
    request = messages.request_of(said, "https")
    assert (request.method, request.scheme, request.host, request.target) == (
        "PUT", "https", "bucket.s3.amazonaws.com", "/a//b%2F?x=%7E",
    )  # fmt: skip
    assert request.headers == (("x-twice", "1"), ("x-twice", "2"))
    assert messages.token_of(said) == "secret"


def test_a_body_that_http_2_does_not_announce_is_announced_to_the_judge():
    said = [(":method", b"GET"), (":authority", b"h"), (":path", b"/")]
    assert messages.request_of(head(*said), "https").headers == ()
    assert messages.request_of(head(*said, body=True), "https").headers == (("transfer-encoding", "chunked"),)
    length = ("content-length", b"3")
    assert messages.request_of(head(*said, length, body=True), "https").headers == (("content-length", "3"),)


def test_a_refusal_carries_status_headers_and_body():
    reply = Reply(403, (("Content-Type", "application/xml"),), b"<Error/>")
    sent = ext_proc.ProcessingResponse.FromString(messages.refusal(reply)).immediate_response
    assert (sent.status.code, sent.body) == (403, b"<Error/>")
    assert [option.header.key for option in sent.headers.set_headers] == ["content-type", "server"]


@pytest.mark.parametrize("name", ["Content-Length", "transfer-encoding", "Connection"])
def test_an_answer_does_not_say_how_it_lies_on_the_wire(name):
    with pytest.raises(ValueError, match=name):
        Reply(403, ((name, "9"),), b"<Error/>")
