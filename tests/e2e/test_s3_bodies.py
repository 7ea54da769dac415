"""Every form in which an object's bytes travel to S3, through the agent, to a store that checks them.

versitygw verifies the head's signature, the signature of every chunk and of the trailer, and the checksums: what it
accepts was forwarded exactly as it was sent. moto accepts what AWS accepts and more.
"""

from __future__ import annotations

import gzip
import hashlib
import subprocess
from collections.abc import Callable, Iterator

import pytest

from tests.e2e.s3_lab import SEOUL, Answer, World, host_of, world
from tests.stores.signing import signed_chunked_put, trailing_put

pytestmark = pytest.mark.e2e
CHUNK = 65536


TAKES = pytest.mark.parametrize("at", ["moto", "versitygw"], indirect=True)
KEEPS = pytest.mark.parametrize("at", ["moto", "versitygw-held"], indirect=True)
STRICT = pytest.mark.parametrize("at", ["versitygw"], indirect=True)


@pytest.fixture(scope="module")
def at(request: pytest.FixtureRequest) -> Iterator[World]:
    with world(request.param) as made:
        yield made


def plain(at: World, host: str, target: str, body: bytes) -> Answer:
    return at.send("PUT", host, target, at.signed("PUT", host, target), body)


def hashed(at: World, host: str, target: str, body: bytes) -> Answer:
    return at.send("PUT", host, target, at.signed("PUT", host, target, hashlib.sha256(body).hexdigest()), body)


def expecting(at: World, host: str, target: str, body: bytes) -> Answer:
    answer = at.send("PUT", host, target, at.signed("PUT", host, target), body, expect=True)
    assert answer.continued
    return answer


def signed_chunks(at: World, host: str, target: str, body: bytes) -> Answer:
    return at.send("PUT", host, target, *signed_chunked_put(at.store, target, body, chunk=CHUNK, host=host))


def signed_trailer(at: World, host: str, target: str, body: bytes) -> Answer:
    return at.send("PUT", host, target, *trailing_put(at.store, target, body, chunk=CHUNK, host=host, signed=True))


def unsigned_trailer(at: World, host: str, target: str, body: bytes) -> Answer:
    return at.send("PUT", host, target, *trailing_put(at.store, target, body, chunk=CHUNK, host=host, signed=False))


def chunked_transfer(at: World, host: str, target: str, body: bytes) -> Answer:
    """As AWS CLI and boto3 send a stream of unknown length: aws-chunked inside a chunked transfer."""
    head, wire = trailing_put(at.store, target, body, chunk=CHUNK, host=host, signed=False, chunked_transfer=True)
    return at.send("PUT", host, target, head, pieces=[wire[n : n + 7777] for n in range(0, len(wire), 7777)])


def by_boto(at: World, host: str, target: str, body: bytes) -> Answer:
    """The SDK's own default, whatever that is today."""
    from botocore.exceptions import ClientError

    try:
        at.client().put_object(Bucket=host.partition(".")[0], Key=target[1:], Body=body)
    except ClientError as error:
        said = error.response["ResponseMetadata"]
        return Answer(said["HTTPStatusCode"], {**said["HTTPHeaders"]}, str(error).encode())
    return Answer(200, {}, b"")


def by_curl(version: str) -> Callable[[World, str, str, bytes], Answer]:
    def put(at: World, host: str, target: str, body: bytes) -> Answer:
        file = at.lab.folder / f"sent-{abs(hash(target))}"
        file.write_bytes(body)
        head = at.signed("PUT", host, target)
        fields = [part for name, value in head.items() for part in ("-H", f"{name}: {value}")]
        done = subprocess.run(
            ["curl", version, "-sS", "-i", "-T", str(file), "-x", f"http://127.0.0.1:{at.proxy}",
             "--suppress-connect-headers",
             "--cacert", str(at.bundle), *fields, "-w", "\n%{http_version}", f"https://{host}{target}"],
            capture_output=True, timeout=30, check=False,
        )  # fmt: skip
        assert done.returncode == 0, (done.stderr, done.stdout)
        said, _, spoken = done.stdout.rpartition(b"\n")
        assert spoken == b"1.1"  # as S3 itself: h2 is not offered
        blocks = [
            block for block in said.split(b"\r\n\r\n") if block.startswith(b"HTTP/") and b" 100" not in block[:14]
        ]
        lines = blocks[-1].decode().split("\r\n")
        named = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
        return Answer(
            int(lines[0].split()[1]), named | {"x-amz-request-id": _id(said)}, said.rpartition(b"\r\n\r\n")[2]
        )

    return put


def _id(said: bytes) -> str:
    for line in said.split(b"\r\n"):
        if line.lower().startswith(b"x-amz-request-id:"):
            return line.partition(b":")[2].strip().decode()
    return ""


FORMS = {
    "unsigned-payload": plain,
    "signed-hash": hashed,
    "expect-100": expecting,
    "signed-chunks": signed_chunks,
    "signed-trailer": signed_trailer,
    "unsigned-trailer": unsigned_trailer,
    "chunked-transfer": chunked_transfer,
    "boto3": by_boto,
    "curl-http1": by_curl("--http1.1"),
    "curl-http2": by_curl("--http2"),
}


@TAKES
@pytest.mark.parametrize("form", FORMS)
def test_untagged_content_arrives_as_it_was_sent(at: World, form: str) -> None:
    host = host_of(at.land.own_key)
    answer = FORMS[form](at, host, f"/clean/{form}", at.harmless)
    assert at.accepted(answer)
    assert at.store.same(at.land.own_key, f"clean/{form}", at.harmless)


@TAKES
@pytest.mark.parametrize("form", FORMS)
def test_sealed_content_arrives_as_it_was_sent_and_is_recorded_as_double_encryption(at: World, form: str) -> None:
    host = host_of(at.land.own_key)
    answer = FORMS[form](at, host, f"/sealed/{form}", at.sealed)
    assert at.accepted(answer)
    assert at.store.same(at.land.own_key, f"sealed/{form}", at.sealed)
    made = at.decided(f"sealed/{form}")
    assert made["decision"]["effect"] == "allow"
    assert made["content"]["sealed"] is True
    assert made["input"]["encryption"]["mode"] == "kms"
    assert made["input"]["encryption"]["key"]["id"] == at.land.seoul_key


@KEEPS
@pytest.mark.parametrize("form", FORMS)
def test_tagged_content_is_refused_and_absent(at: World, form: str) -> None:
    host = host_of(at.land.own_key)
    answer = FORMS[form](at, host, f"/tagged/{form}", at.tagged)
    assert answer.refused, answer
    assert b"Haechi refused" in answer.body
    assert at.store.digest(at.land.own_key, f"tagged/{form}") is None
    assert "r13_layer1" in at.rules(answer)


@KEEPS
@pytest.mark.parametrize("form", ["unsigned-payload", "signed-chunks", "unsigned-trailer", "chunked-transfer"])
def test_compressed_tagged_content_is_recognised(at: World, form: str) -> None:
    host, target = host_of(at.land.own_key), f"/gzip/{form}"
    packed, innocent = gzip.compress(at.tagged), gzip.compress(at.harmless)
    assert FORMS[form](at, host, target, packed).refused
    assert at.store.digest(at.land.own_key, target[1:]) is None
    assert at.accepted(FORMS[form](at, host, target, innocent))
    assert at.store.same(at.land.own_key, target[1:], innocent)


@KEEPS
def test_content_encoding_gzip_is_undone_to_look_and_kept_to_forward(at: World) -> None:
    host = host_of(at.land.own_key)
    for name, body in (("tagged", at.tagged), ("clean", at.harmless)):
        packed, target = gzip.compress(body), f"/coded/{name}"
        head = at.signed("PUT", host, target, content_encoding="gzip")
        answer = at.send("PUT", host, target, head, packed)
        if name == "tagged":
            assert answer.refused
            assert at.store.digest(at.land.own_key, target[1:]) is None
        else:
            assert at.accepted(answer)
            assert at.store.same(at.land.own_key, target[1:], packed)


@KEEPS
def test_held_whole_toward_abroad_the_framing_is_still_as_sent(at: World) -> None:
    """The body waits on disk until it is judged, and then leaves in the very chunks it came in."""
    host, path = "s3.ap-northeast-1.amazonaws.com", f"/{at.land.tokyo}/abroad"
    if at.store is not at.facts:
        at.store.client().create_bucket(Bucket=at.land.tokyo, CreateBucketConfiguration={"LocationConstraint": SEOUL})
    for form in (signed_chunks, signed_trailer, chunked_transfer):
        target = f"{path}/{form.__name__}"
        assert at.accepted(form(at, host, target, at.harmless))
        assert at.store.same(at.land.tokyo, f"abroad/{form.__name__}", at.harmless)
        assert form(at, host, target + "-sealed", at.sealed).refused
        assert at.store.digest(at.land.tokyo, f"abroad/{form.__name__}-sealed") is None


@STRICT
@pytest.mark.parametrize("form", ["head", "hash", "chunk", "trailer-signature", "trailer-checksum"])
def test_the_store_checks_what_it_got(at: World, form: str) -> None:
    """What was spoilt is refused by the store itself: so what it accepted above, it had verified."""
    host, target = host_of(at.land.own_key), f"/spoilt/{form}"
    if form == "head":
        head, wire = at.signed("PUT", host, target), at.harmless
        head["authorization"] = head["authorization"][:-4] + "0000"
    elif form == "hash":
        head, wire = at.signed("PUT", host, target, hashlib.sha256(b"other").hexdigest()), at.harmless
    elif form == "chunk":
        head, wire = signed_chunked_put(at.store, target, at.harmless, chunk=CHUNK, host=host, forge_chunk=1)
    else:
        signed = form == "trailer-signature"
        head, wire = trailing_put(
            at.store, target, at.harmless, chunk=CHUNK, host=host, signed=signed, forge_trailer=True
        )
    answer = at.send("PUT", host, target, head, wire)
    assert answer.status in (400, 403)
    assert not answer.refused
    assert answer.code
    assert at.store.digest(at.land.own_key, target[1:]) is None


@STRICT
def test_a_chunked_transfer_stays_one(at: World) -> None:
    """The store wants a length; had the agent buffered the body and added one, the store would have taken it."""
    abroad = ("s3.ap-northeast-1.amazonaws.com", f"/{at.land.tokyo}/lengthless")
    for place, target in ((host_of(at.land.own_key), "/lengthless"), abroad):
        for _ in range(4):  # the store hangs up after such a request, as idle connections learn too late
            head = at.signed("PUT", place, target)
            answer = at.send("PUT", place, target, head, pieces=[at.harmless[:1000], at.harmless[1000:]])
            if answer.status != 503:
                break
        assert answer.status == 411, answer
        assert not answer.refused


@KEEPS
def test_sealed_content_that_was_altered_is_not_layer_one(at: World) -> None:
    host = host_of(at.land.own_key)
    middle = len(at.sealed) // 2
    altered = {
        "one-byte": at.sealed[:middle] + bytes([at.sealed[middle] ^ 1]) + at.sealed[middle + 1 :],
        "truncated": at.sealed[:-100_000],
        "prefix-and-plain": at.sealed[:50_000] + at.tagged,
        "sealed-and-plain": at.sealed + at.tagged,
    }
    for name, body in altered.items():
        answer = plain(at, host, f"/altered/{name}", body)
        assert answer.refused, name
        assert at.store.digest(at.land.own_key, f"altered/{name}") is None
        assert "r13_layer1" in at.rules(answer)


@pytest.mark.parametrize("at", ["versitygw"], indirect=True)
def test_what_a_store_can_keep_of_a_refused_body_is_less_than_a_run(at: World) -> None:
    """This store keeps bodies that were cut off. What was released before the refusal holds no recognisable run."""
    host = host_of(at.land.own_key)
    for form in (plain, signed_chunks, unsigned_trailer):
        body = at.harmless + at.tagged
        assert form(at, host, f"/cut/{form.__name__}", body).refused
        file = at.store.data / at.land.own_key / "cut" / form.__name__  # type: ignore[attr-defined]
        kept = file.read_bytes() if file.exists() else b""
        assert body.startswith(kept)
        assert len(kept) < len(at.harmless) + 8192
