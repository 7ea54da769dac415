"""The judge's messages with Envoy (ext_proc). Bodies go by hand, all else through the official classes.

Why by hand: a gibibyte passes through the two fields of one message; copying it through generated classes doubles the
judge's CPU time. The reader takes exactly ``ProcessingRequest.request_body`` and leaves every other message alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from envoy.config.core.v3 import base_pb2
from envoy.extensions.filters.http.ext_proc.v3 import processing_mode_pb2
from envoy.service.ext_proc.v3 import external_processor_pb2 as ext_proc

from haechi.domain.upload import Request
from haechi.inbound.envoy.http import ADDED_HEADER, APART_HEADER, BODY_HEADER, SERVED_BY
from haechi.ports.judge import Reply

_REQUEST_BODY = 0x22  # field 4, length-delimited
_BODY = 0x0A  # field 1, length-delimited
_END_OF_STREAM = 0x10  # field 2, varint
_END_WITHOUT_MESSAGE = 0x18  # field 3, varint


def _made(**fields: object) -> bytes:
    message: bytes = ext_proc.ProcessingResponse(**fields).SerializeToString()
    return message


HEAD_PASSES = _made(request_headers=ext_proc.HeadersResponse())
PIECE_PASSES = _made(request_body=ext_proc.BodyResponse())
ANSWER_PASSES = _made(response_headers=ext_proc.HeadersResponse())
TRAILERS_PASS = _made(request_trailers=ext_proc.TrailersResponse())
MARKED_HEAD_PASSES = _made(
    request_headers=ext_proc.HeadersResponse(
        response=ext_proc.CommonResponse(header_mutation=ext_proc.HeaderMutation(remove_headers=[BODY_HEADER]))
    )
)
HEAD_PASSES_HEARD = _made(
    request_headers=ext_proc.HeadersResponse(),
    mode_override=processing_mode_pb2.ProcessingMode(response_header_mode=processing_mode_pb2.ProcessingMode.SEND),
)
"""The head passes, and the store's answer is to be told."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes of a body; the view is valid while the message is."""

    data: memoryview
    last: bool


def piece_of(message: bytes) -> Piece | None:
    """The piece of a body message; None for any other message. Raises ``ValueError`` when it is cut short."""
    if not message or message[0] != _REQUEST_BODY:
        return None
    length, at = _varint(message, 1)
    end = at + length
    if end > len(message):
        raise ValueError("body message is cut short")
    data, last = memoryview(b""), False
    while at < end:
        tag = message[at]
        number, at = _varint(message, at + 1)
        if tag == _BODY:
            if at + number > end:
                raise ValueError("body is cut short")
            data = memoryview(message)[at : at + number]
            at += number
        elif tag in (_END_OF_STREAM, _END_WITHOUT_MESSAGE):
            last = last or bool(number)
        elif tag & 7:
            raise ValueError("unknown field in a body message")
    return Piece(data, last)


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(message) or shift > 63:
            raise ValueError("number is cut short")
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def request_of(head: ext_proc.HttpHeaders, scheme: str) -> Request:
    """The request's head, on a connection of this scheme. Raises ``KeyError`` for a head without a method: Envoy never
    sends one.
    """
    pseudo: dict[str, str] = {}
    headers: list[tuple[str, str]] = []
    for header in head.headers.headers:
        name, value = header.key, header.raw_value.decode("latin-1") or header.value
        if name[:1] == ":":
            pseudo[name] = value
        elif name not in (ADDED_HEADER, APART_HEADER, BODY_HEADER):
            headers.append((name, value))
    if not head.end_of_stream and not any(name in ("content-length", "transfer-encoding") for name, _ in headers):
        # HTTP/2 announces no body. Said as HTTP/1.1 would, and as Envoy will say it upstream, so that nobody takes the
        # request for one without.
        headers.append(("transfer-encoding", "chunked"))
    return Request(
        pseudo[":method"], scheme, pseudo.get(":authority", "").lower(), pseudo.get(":path", "*"), tuple(headers)
    )


def status_of(head: ext_proc.HttpHeaders) -> int:
    """The status of an answer; 0 where it has none that is a number."""
    text = _first(head, ":status")
    return int(text) if text.isascii() and text.isdigit() else 0


def token_of(head: ext_proc.HttpHeaders) -> str:
    """The one-time token of a body to judge; empty where there is none."""
    return _first(head, BODY_HEADER)


def _first(head: ext_proc.HttpHeaders, name: str) -> str:
    """The first value of a header; empty where there is none."""
    return next((header.raw_value.decode("latin-1") for header in head.headers.headers if header.key == name), "")


def head_marked(token: str) -> bytes:
    """Send the request to the filter that has its body judged, under this token."""
    option = base_pb2.HeaderValueOption(
        header=base_pb2.HeaderValue(key=BODY_HEADER, raw_value=token.encode()),
        append_action=base_pb2.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD,
    )
    common = ext_proc.CommonResponse(
        header_mutation=ext_proc.HeaderMutation(set_headers=[option]), clear_route_cache=True
    )
    return _made(request_headers=ext_proc.HeadersResponse(response=common))


def replayed(data: bytes, *, last: bool) -> bytes:
    """Give back a piece of a held body. By hand: the official classes copy the bytes once a level, five times."""
    end = b"\x10\x01" if last else b""  # StreamedBodyResponse.end_of_stream
    head = b"\x0a" + _number(len(data)) if data else b""  # .body
    size = len(head) + len(data) + len(end)
    # From the inside out: BodyMutation.streamed_response, CommonResponse.body_mutation, BodyResponse.response,
    # ProcessingResponse.request_body.
    for tag in (b"\x1a", b"\x1a", b"\x0a", b"\x1a"):
        added = tag + _number(size)
        head = added + head
        size += len(added)
    return b"".join((head, data, end))


def _number(value: int) -> bytes:
    made = bytearray()
    while value > 0x7F:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    made.append(value)
    return bytes(made)


def refusal(reply: Reply) -> bytes:
    """Answer the client at once."""
    headers = [
        base_pb2.HeaderValueOption(
            header=base_pb2.HeaderValue(key=name.lower(), raw_value=value.encode("utf-8")),
            append_action=base_pb2.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD,
        )
        for name, value in (*reply.headers, SERVED_BY)
    ]
    return _made(
        immediate_response=ext_proc.ImmediateResponse(
            status={"code": reply.status},
            headers=ext_proc.HeaderMutation(set_headers=headers),
            body=reply.body,
            details="haechi_refused",
        )
    )
