"""The strict store really is strict: what it refuses here is what a data path must not break or let slip."""

from __future__ import annotations

import contextlib
import http.client
import ssl
from collections.abc import Iterator

import pytest
from botocore.awsrequest import AWSRequest

from tests.stores import VersityStore
from tests.stores.signing import DeclaredPayload, chunked_body, signed_chunked_put

pytestmark = pytest.mark.e2e
BUCKET = "haechi-strict"
BODY = b"0123456789abcdef" * 8192


@pytest.fixture(scope="module")
def store() -> Iterator[VersityStore]:
    with VersityStore() as running:
        running.client().create_bucket(Bucket=BUCKET)
        yield running


def send(store: VersityStore, method: str, path: str, headers: dict[str, str], body: bytes | None) -> int:
    context = ssl.create_default_context(cafile=str(store.ca))
    connection = http.client.HTTPSConnection(*store.address, context=context, timeout=10)
    try:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        with contextlib.suppress(OSError):  # a store that refuses the head may hang up on the body
            connection.endheaders(body)
        return connection.getresponse().status
    finally:
        connection.close()


def test_signed_chunks_are_accepted(store: VersityStore) -> None:
    head, body = signed_chunked_put(store, f"/{BUCKET}/signed", BODY, chunk=65536)
    assert send(store, "PUT", f"/{BUCKET}/signed", head, body) == 200
    assert store.same(BUCKET, "signed", BODY)


def test_a_changed_chunk_is_refused(store: VersityStore) -> None:
    head, body = signed_chunked_put(store, f"/{BUCKET}/changed", BODY, chunk=65536)
    position = body.index(BODY[:64]) + 40
    tampered = body[:position] + b"X" + body[position + 1 :]
    assert send(store, "PUT", f"/{BUCKET}/changed", head, tampered) == 403
    assert store.digest(BUCKET, "changed") is None


def test_a_wrong_chunk_signature_is_refused(store: VersityStore) -> None:
    head, body = signed_chunked_put(store, f"/{BUCKET}/forged", BODY, chunk=65536, forge_chunk=1)
    assert send(store, "PUT", f"/{BUCKET}/forged", head, body) == 403
    assert store.digest(BUCKET, "forged") is None


def test_chunks_cut_anew_are_refused(store: VersityStore) -> None:
    """A proxy that decodes and re-chunks without the key breaks the signatures."""
    head, body = signed_chunked_put(store, f"/{BUCKET}/recut", BODY, chunk=65536)
    recut = chunked_body([BODY[:100], BODY[100:65536], BODY[65536:]], ["0" * 64] * 4)
    head["content-length"] = str(len(recut))
    assert send(store, "PUT", f"/{BUCKET}/recut", head, recut) in (400, 403)
    assert store.digest(BUCKET, "recut") is None
    assert len(recut) != len(body)


def test_a_wrong_signature_of_the_head_is_refused(store: VersityStore) -> None:
    head, body = signed_chunked_put(store, f"/{BUCKET}/head", BODY, chunk=65536)
    head["authorization"] = head["authorization"][:-4] + "0000"
    assert send(store, "PUT", f"/{BUCKET}/head", head, body) == 403


def test_a_chunked_transfer_without_a_length_is_refused(store: VersityStore) -> None:
    path = f"/{BUCKET}/lengthless"
    request = AWSRequest("PUT", f"{store.endpoint}{path}")
    DeclaredPayload(store, "UNSIGNED-PAYLOAD").add_auth(request)
    head = {"host": f"127.0.0.1:{store.port}", **dict(request.headers.items()), "transfer-encoding": "chunked"}
    body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (BODY[:1000], BODY[1000:])) + b"0\r\n\r\n"
    assert send(store, "PUT", path, head, body) == 411
    assert store.digest(BUCKET, "lengthless") is None


def test_a_virtual_hosted_request_reaches_the_bucket(store: VersityStore) -> None:
    host = f"{BUCKET}.s3.{store.region}.amazonaws.com"
    head, body = signed_chunked_put(store, "/virtual", BODY, chunk=65536, host=host)
    assert send(store, "PUT", "/virtual", head, body) == 200
    assert store.same(BUCKET, "virtual", BODY)
