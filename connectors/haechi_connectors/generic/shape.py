"""What the head of a request says about its body, at any host. Must not know methods, places or refusals."""

from __future__ import annotations

from dataclasses import replace
from email.message import Message

from haechi.domain.upload import BodyShape, Framing, Request


def length_of(request: Request) -> int | None:
    """Content-Length; None where it is not said."""
    text = request.header("content-length")
    return int(text) if text is not None and text.isascii() and text.isdigit() else None


def kind_of(request: Request) -> tuple[str, str]:
    """The media type of the body, and its parameters as they stand."""
    kind, _, parameters = (request.header("content-type") or "").partition(";")
    return kind.strip().lower(), parameters


def _chunked(request: Request, shape: BodyShape) -> tuple[BodyShape, str]:
    """The S3 chunking, which stores under any name understand: its chunk headers would cut content apart. Where it is
    half announced, nobody can say how the body will be read.
    """
    stream = request.header("x-amz-content-sha256") or ""
    decoded = request.header("x-amz-decoded-content-length") or ""
    if not stream.startswith("STREAMING-"):
        return shape, "chunking" if "aws-chunked" in shape.content_encodings else ""
    if shape.boundary or not (decoded.isascii() and decoded.isdigit() and len(decoded) < 19):
        return shape, "chunking"
    return replace(
        shape,
        framing=Framing.AWS_CHUNKED,
        decoded_length=int(decoded),
        content_encodings=tuple(coding for coding in shape.content_encodings if coding != "aws-chunked"),
        trailer=stream.endswith("-TRAILER"),
        signed_chunks="-UNSIGNED-" not in stream,
    ), ""


def announces_body(request: Request) -> bool:
    """Whether a body follows, of whatever length."""
    return request.header("transfer-encoding") is not None or (length_of(request) or 0) > 0


def shape_of(request: Request, length: int | None) -> tuple[BodyShape, str]:
    """How the body lies, to be unwrapped as far as it goes; and why nobody can say so, where that is so."""
    kind, parameters = kind_of(request)
    boundary = _parameter(parameters, "boundary") if kind.startswith("multipart/") else ""
    codings = tuple(
        coding.strip().lower()
        for value in request.header_values("content-encoding")
        for coding in value.split(",")
        if coding.strip() and coding.strip().lower() != "identity"
    )
    shape = BodyShape(Framing.PLAIN, length, None, boundary, codings, kind, unwrap=True)
    if len({*request.header_values("content-type")}) > 1:
        return shape, "content-type"
    if kind.startswith("multipart/") and not boundary:
        return shape, "boundary"
    return _chunked(request, shape)


def _parameter(parameters: str, name: str) -> str:
    header = Message()
    header["content-type"] = f"multipart/form-data;{parameters}"
    value = header.get_param(name)
    return value if isinstance(value, str) else ""
