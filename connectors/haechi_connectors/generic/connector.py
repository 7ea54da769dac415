"""The last connector: it claims every host and knows only what HTTP itself says.

A method with a body uploads; where to is known by name alone, so a policy that asks for facts finds them unknown. Used
for watched hosts and for services of a provider that no connector describes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from haechi.domain.facts import Unknown
from haechi.domain.names import host_name
from haechi.domain.upload import Action, ActionKind, BodyShape, Framing, Location, Request
from haechi.ports.connector import RefusalText
from haechi.ports.judge import Reply

READS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


class GenericConnector:
    """Claims every host."""

    provider = "unknown"

    def __init__(self, scope: Sequence[str] = ()) -> None:
        self.scope = tuple(scope)

    def claims(self, host: str) -> bool:
        """Every host; so it stands last."""
        return True

    def action(self, request: Request) -> Action:
        """An upload where a body may come, else a read. A body on a reading method is unrecognised."""
        length, framed = _length(request), request.header("transfer-encoding") is not None
        body = framed or (length or 0) > 0
        method = request.method.upper()
        where = Location(self.provider, host_name(request.host), "", Unknown("unknown-service"), request.host)
        if method in READS and not body:
            return Action(self.provider, "http", method, ActionKind.READ, where)
        if method == "DELETE" and not body:
            return Action(self.provider, "http", method, ActionKind.READ, where)
        shape, reason = _shape(request, length)
        kind = ActionKind.UNRECOGNISED if method in READS or reason else ActionKind.UPLOAD
        return Action(self.provider, "http", method, kind, where, body=shape, reason=reason)

    def with_document(self, action: Action, document: bytes) -> Action:
        """Nothing is known of documents here."""
        return action

    def with_form(self, action: Action, fields: Mapping[str, str]) -> Action:
        """Nothing is known of forms here: where they go is known by the host alone."""
        return action

    def refusal(self, text: RefusalText, request: Request) -> Reply:
        """Plain text: readable wherever it is printed."""
        headers = (("content-type", "text/plain; charset=utf-8"), ("x-haechi-decision", text.decision_id))
        return Reply(403, headers, (text.message + "\n").encode())


def _length(request: Request) -> int | None:
    text = request.header("content-length")
    return int(text) if text is not None and text.isascii() and text.isdigit() else None


def _chunked(request: Request, shape: BodyShape) -> tuple[BodyShape, str]:
    """The S3 chunking, which stores under any name understand: its chunk headers would cut content apart. Where it is
    half announced, nobody can say how the body will be read.
    """
    stream = request.header("x-amz-content-sha256") or ""
    decoded = request.header("x-amz-decoded-content-length") or ""
    if not stream.startswith("STREAMING-"):
        return shape, "chunking" if "aws-chunked" in shape.content_encodings else ""
    if shape.framing is not Framing.PLAIN or not (decoded.isascii() and decoded.isdigit() and len(decoded) < 19):
        return shape, "chunking"
    return replace(
        shape,
        framing=Framing.AWS_CHUNKED,
        decoded_length=int(decoded),
        content_encodings=tuple(coding for coding in shape.content_encodings if coding != "aws-chunked"),
        trailer=stream.endswith("-TRAILER"),
        signed_chunks="-UNSIGNED-" not in stream,
    ), ""


def _shape(request: Request, length: int | None) -> tuple[BodyShape, str]:
    kind, _, parameters = (request.header("content-type") or "").partition(";")
    framing, boundary = Framing.PLAIN, ""
    if kind.strip().lower() == "multipart/form-data":
        boundary = _parameter(parameters, "boundary")
        framing = Framing.FORM if boundary else Framing.PLAIN
    codings = tuple(
        coding.strip().lower()
        for coding in (request.header("content-encoding") or "").split(",")
        if coding.strip() and coding.strip().lower() != "identity"
    )
    return _chunked(request, BodyShape(framing, length, None, boundary, codings, kind.strip().lower()))


def _parameter(parameters: str, name: str) -> str:
    from email.message import Message

    header = Message()
    header["content-type"] = f"multipart/form-data;{parameters}"
    value = header.get_param(name)
    return value if isinstance(value, str) else ""
