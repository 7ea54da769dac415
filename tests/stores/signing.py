"""Bodies signed chunk by chunk as AWS's own clients do it, built by hand so that tests can break them.

The chain of chunk signatures follows "Signature calculations for the Authorization header: transferring payload in
multiple chunks" of the S3 API reference. The head is signed by botocore.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import zlib
from collections.abc import Sequence

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.stores.store import TestStore

STREAMING = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
STREAMING_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
CHECKSUM = "x-amz-checksum-crc32"
EMPTY = hashlib.sha256(b"").hexdigest()


class DeclaredPayload(S3SigV4Auth):
    """Signs a head whose ``x-amz-content-sha256`` is given, not computed from a body."""

    def __init__(self, store: TestStore, declared: str) -> None:
        super().__init__(Credentials(store.account.access_key, store.account.secret_key), "s3", store.region)
        self._declared = declared

    def payload(self, request: AWSRequest) -> str:
        """The declared value."""
        return self._declared


def signed_chunked_put(
    store: TestStore, path: str, body: bytes, *, chunk: int, host: str = "", forge_chunk: int | None = None
) -> tuple[dict[str, str], bytes]:
    """Headers and wire body of a PUT with signed chunks; ``forge_chunk`` spoils that chunk's signature."""
    pieces = [body[start : start + chunk] for start in range(0, len(body), chunk)] + [b""]
    length = len(chunked_body(pieces[:-1], ["0" * 64] * len(pieces)))
    host = host or f"127.0.0.1:{store.port}"
    request = AWSRequest(
        "PUT",
        f"https://{host}{path}",
        {
            "content-encoding": "aws-chunked",
            "x-amz-decoded-content-length": str(len(body)),
            "content-length": str(length),
        },
    )
    DeclaredPayload(store, STREAMING).add_auth(request)
    seed = request.headers["Authorization"].rpartition("Signature=")[2]
    moment = request.headers["X-Amz-Date"]
    signatures = _chain(store, moment, seed, pieces)
    if forge_chunk is not None:
        signatures[forge_chunk] = "0" * 64
    headers = {"host": host, **{name.lower(): value for name, value in request.headers.items()}}
    return headers, chunked_body(pieces[:-1], signatures)


def trailing_put(
    store: TestStore,
    path: str,
    body: bytes,
    *,
    chunk: int,
    host: str,
    signed: bool,
    forge_trailer: bool = False,
    chunked_transfer: bool = False,
) -> tuple[dict[str, str], bytes]:
    """Headers and wire body of a PUT whose checksum comes in a trailer, with signed or unsigned chunks.

    ``forge_trailer`` spoils the trailer: its signature where chunks are signed, its checksum where not.
    ``chunked_transfer`` leaves the wire length out of the head: the transfer itself is chunked.
    """
    declared = STREAMING_TRAILER if signed else UNSIGNED_TRAILER
    pieces = [body[start : start + chunk] for start in range(0, len(body), chunk)]
    spoilt = forge_trailer and not signed
    checksum = base64.b64encode(zlib.crc32(body + b"x" * spoilt).to_bytes(4, "big")).decode()

    def assembled(signatures: Sequence[str], last: str) -> bytes:
        if not signed:
            chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
            return chunks + f"0\r\n{CHECKSUM}:{checksum}\r\n\r\n".encode()
        # The trailer stands where the empty chunk's data would end.
        closed = chunked_body(pieces, signatures).removesuffix(b"\r\n")
        return closed + f"{CHECKSUM}:{checksum}\r\nx-amz-trailer-signature:{last}\r\n\r\n".encode()

    blank = "0" * 64
    head = {
        "content-encoding": "aws-chunked",
        "x-amz-decoded-content-length": str(len(body)),
        "x-amz-trailer": CHECKSUM,
    }
    if not chunked_transfer:
        head["content-length"] = str(len(assembled([blank] * (len(pieces) + 1), blank)))
    request = AWSRequest("PUT", f"https://{host}{path}", head)
    DeclaredPayload(store, declared).add_auth(request)
    headers = {"host": host, **{name.lower(): value for name, value in request.headers.items()}}
    if not signed:
        return headers, assembled([], "")
    moment, seed = request.headers["X-Amz-Date"], request.headers["Authorization"].rpartition("Signature=")[2]
    signatures = _chain(store, moment, seed, [*pieces, b""])
    key, scope = _key(store, moment[:8])
    digest = hashlib.sha256(f"{CHECKSUM}:{checksum}\n".encode()).hexdigest()
    text = "\n".join(("AWS4-HMAC-SHA256-TRAILER", moment, scope, signatures[-1], digest))
    last = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    return headers, assembled(signatures, blank if forge_trailer else last)


def chunked_body(pieces: Sequence[bytes], signatures: Sequence[str]) -> bytes:
    """Pieces and the closing empty one, each with its signature."""
    return b"".join(
        b"%x;chunk-signature=%s\r\n%s\r\n" % (len(piece), signature.encode(), piece)
        for piece, signature in zip([*pieces, b""], signatures, strict=True)
    )


def _chain(store: TestStore, moment: str, seed: str, pieces: Sequence[bytes]) -> list[str]:
    key, scope = _key(store, moment[:8])
    signatures, previous = [], seed
    for piece in pieces:
        digest = hashlib.sha256(piece).hexdigest()
        text = "\n".join(("AWS4-HMAC-SHA256-PAYLOAD", moment, scope, previous, EMPTY, digest))
        previous = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
        signatures.append(previous)
    return signatures


def _key(store: TestStore, day: str) -> tuple[bytes, str]:
    """The signing key of a day, and its scope."""
    key = b"AWS4" + store.account.secret_key.encode()
    for part in (day, store.region, "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key, f"{day}/{store.region}/s3/aws4_request"


__all__ = ["STREAMING", "DeclaredPayload", "chunked_body", "signed_chunked_put", "trailing_put"]
