"""Archives and encodings inside bodies."""

from __future__ import annotations

import bz2
import gzip
import itertools
import lzma
import random
import struct
import tarfile
import zipfile
import zlib

import brotli
import pytest
import zstandard
from haechi.domain.upload import BodyShape, Framing
from haechi.payload.body import decoder
from haechi.payload.limits import Limits
from hypothesis import given, settings
from hypothesis import strategies as st

from .bodies import Heard, chunked, form, hear, outcome, tar, zipped

TEXT = b"".join(b"line %d of the drawing\n" % i for i in range(3000))
NOISE = random.Random(7).randbytes(5000)
MEMBERS = {"a.txt": TEXT, "empty": b"", "dir/설계.bin": NOISE, "n" * 200: b"small secret"}


def shape(body, **facts):
    return BodyShape(Framing.PLAIN, len(body), **facts)


def unpack(body, **facts):
    return hear(shape(body, **facts), body)


COMPRESSIONS = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstandard.compress,
}
CODINGS = {"deflate": zlib.compress, "br": brotli.compress, **COMPRESSIONS}


@pytest.mark.parametrize("style", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_each_member_of_a_tar_is_a_stream(style):
    members = {k: v for k, v in MEMBERS.items() if style != tarfile.USTAR_FORMAT or len(k) < 100}
    heard = unpack(tar(members, style))
    for name, data in members.items():
        assert heard.of(name) == data
    assert not heard.opaque


@pytest.mark.parametrize(
    ("method", "piped"),
    [
        (zipfile.ZIP_DEFLATED, False),
        (zipfile.ZIP_DEFLATED, True),
        (zipfile.ZIP_BZIP2, False),
        (zipfile.ZIP_BZIP2, True),
        (zipfile.ZIP_STORED, False),
    ],
)
def test_each_member_of_a_zip_is_a_stream(method, piped):
    heard = unpack(zipped(MEMBERS, method, piped=piped))
    for name, data in MEMBERS.items():
        assert heard.of(name) == data
    assert not heard.opaque


def test_a_stored_zip_member_without_a_length_is_opaque_not_clean():
    heard = unpack(zipped(MEMBERS, zipfile.ZIP_STORED, piped=True))
    assert heard.opaque == ["unsupported"]
    assert b"small secret" in heard.streams[0]


@pytest.mark.parametrize("name", COMPRESSIONS)
def test_compressed_archives_are_read_through(name):
    body = COMPRESSIONS[name](tar(MEMBERS))
    heard = unpack(body)
    assert heard.streams[0] == body
    assert heard.of("a.txt") == TEXT
    assert not heard.opaque


@pytest.mark.parametrize("name", COMPRESSIONS)
def test_several_members_join_and_padding_is_ignored(name):
    body = COMPRESSIONS[name](TEXT) + COMPRESSIONS[name](NOISE)
    assert unpack(body).streams[1] == TEXT + NOISE
    assert not unpack(body + bytes(600)).opaque
    assert unpack(body + b"garbage").opaque == ["malformed-member"]


@pytest.mark.parametrize("name", ["deflate", "br"])
def test_declared_codings_without_a_magic_are_decoded(name):
    heard = unpack(CODINGS[name](TEXT), content_encodings=(name,))
    assert heard.streams[1] == TEXT
    body = CODINGS[name](gzip.compress(tar(MEMBERS)))
    assert unpack(body, content_encodings=("gzip", name)).of("a.txt") == TEXT


def test_a_declared_coding_that_lies_does_not_hide_an_archive():
    assert unpack(tar(MEMBERS), content_encodings=("br",)).of("a.txt") == TEXT
    assert unpack(TEXT, content_encodings=("gzip",)).opaque == ["malformed-member"]
    assert unpack(TEXT, content_encodings=("rot13",)).opaque == ["unsupported"]
    assert not unpack(TEXT, content_encodings=("utf-8",)).opaque


@pytest.mark.parametrize("name", ["deflate", "br"])
@pytest.mark.parametrize("cuts", [(), range(0, 100_000, 1000)])
def test_a_form_s_field_names_the_coding_of_its_file(name, cuts):
    body = form([("key", b"k", None), ("Content-Encoding", name.encode(), None), ("file", CODINGS[name](TEXT), "f")])
    heard = hear(BodyShape(Framing.FORM, len(body), boundary="AaB03x"), body, cuts)
    assert TEXT in heard.streams.values()


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(["tar", "zip", *COMPRESSIONS]), st.lists(st.integers(0, 90_000)))
def test_reading_put_aside_gives_the_same_in_short_steps(name, places):
    body = {"tar": tar, "zip": zipped}.get(name, lambda m: COMPRESSIONS[name](tar(m)))({**MEMBERS, "more": NOISE * 30})
    made, later = decoder(shape(body), deferred=True), Heard()
    ends = sorted({min(p, len(body)) for p in places} | {0, len(body)})
    for start, end in itertools.pairwise(ends):
        later.take(made.feed(memoryview(body)[start:end]))
    later.take(made.finish())
    assert set(later.streams) == {0}, "nothing below the object was read yet"
    steps = 0
    while made.pending:
        later.take(made.unpack())
        steps += 1
    assert steps >= len(body) // (64 << 10)
    assert later.streams == hear(shape(body), body).streams


def test_a_plain_body_puts_nothing_aside():
    made = decoder(shape(NOISE), deferred=True)
    made.feed(NOISE)
    assert not made.pending
    assert made.container is False


def test_what_is_stopped_is_too_large():
    body = gzip.compress(TEXT)
    made, heard = decoder(shape(body), deferred=True), Heard()
    made.feed(body)
    made.stop()
    while made.pending:
        heard.take(made.unpack())
    assert heard.opaque == ["too-large"]


def test_archives_inside_chunks_are_read():
    archive = zipped(MEMBERS)
    body = chunked(archive, 1000)
    heard = hear(BodyShape(Framing.AWS_CHUNKED, len(body), len(archive), signed_chunks=True), body)
    assert heard.of("a.txt") == TEXT


BODIES = {
    "tar": tar(MEMBERS),
    "zip": zipped(MEMBERS),
    "piped": zipped(MEMBERS, piped=True),
    "tgz": gzip.compress(tar(MEMBERS)),
    "zip in tar": tar({"in.zip": zipped(MEMBERS)}),
    "xz": lzma.compress(TEXT),
    "zstd": zstandard.compress(TEXT),
    "bomb": gzip.compress(bytes(20 << 20)),
    "bad": gzip.compress(TEXT)[:-20] + b"x" * 30,
    "age": b"age-encryption.org/v1\n-> X25519 aaaa\n",
    "short": b"PK",
}


@settings(max_examples=120, deadline=None)
@given(st.sampled_from(sorted(BODIES)), st.lists(st.integers(0, 80_000), max_size=10))
def test_cutting_an_archive_changes_nothing(name, places):
    body = BODIES[name]
    assert outcome(shape(body), body, places) == outcome(shape(body), body)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(set(BODIES) - {"bomb"})), st.integers(0, 2000), st.binary(min_size=1, max_size=8),
       st.lists(st.integers(0, 2000), max_size=4))  # fmt: skip
def test_a_damaged_archive_is_opaque_or_read_and_never_an_error(name, at, noise, places):
    body = BODIES[name][:at] + noise + BODIES[name][at + len(noise) :]
    assert hear(shape(body), body, places).streams[0] == body
    assert outcome(shape(body), body, places) == outcome(shape(body), body)


def test_what_comes_before_a_fault_is_seen():
    body = bytearray(gzip.compress(random.Random(3).randbytes(50_000)))
    body[-6] ^= 1
    heard = unpack(bytes(body))
    assert heard.streams[1] == random.Random(3).randbytes(50_000)
    assert heard.opaque == ["malformed-member"]


@pytest.mark.parametrize(
    ("head", "cause"),
    [
        (b"age-encryption.org/v1\n-> X25519", "encrypted"),
        (b"-----BEGIN AGE ENCRYPTED FILE-----\n", "encrypted"),
        (b"-----BEGIN PGP MESSAGE-----\n", "encrypted"),
        (b"\x85\x01\x0c\x03" + bytes(100), "encrypted"),
        (b"\x8c\x0d\x04\x09" + bytes(100), "encrypted"),
        (b"Salted__12345678" + bytes(32), "encrypted"),
        (b"7z\xbc\xaf\x27\x1c\0\4", "unsupported"),
        (b"Rar!\x1a\x07\x01\x00", "unsupported"),
        (b"ALZ\x01\x0a\0\0\0BLZ\x01", "unsupported"),
        (b"EGGA\0\1", "unsupported"),
        (lzma.compress(TEXT, lzma.FORMAT_ALONE)[:64], "unsupported"),
        (b"\x60\xea\x2a\0", "unsupported"),
        (b"\x1e\x8c-lh5-", "unsupported"),
        (b"MSWIM\0\0\0\xd0", "unsupported"),
        (b"hsqs\2\0\0\0", "unsupported"),
        (b"\xff\x06\0\0sNaPpY", "unsupported"),
    ],
)
def test_what_cannot_be_read_is_opaque(head, cause):
    assert unpack(head + NOISE).opaque == [cause]


def test_an_encrypted_zip_member_is_opaque_and_the_next_is_read():
    body = bytearray(zipped({"locked": TEXT, "open": TEXT}))
    struct.pack_into("<H", body, 6, struct.unpack_from("<H", body, 6)[0] | 1)
    heard = unpack(bytes(body))
    assert heard.opaque == ["encrypted"]
    assert heard.of("open") == TEXT


def test_a_zip_whose_sizes_lie_is_opaque():
    body = bytearray(zipped({"a": TEXT}))
    struct.pack_into("<L", body, 22, 5)
    assert unpack(bytes(body)).opaque == ["malformed-member"]


def test_depth_is_bounded():
    body = TEXT
    for _ in range(3):
        body = gzip.compress(body)
    assert unpack(body).streams[3] == TEXT
    assert unpack(gzip.compress(body)).opaque == ["too-deep"]


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress, zstandard.compress])
def test_a_bomb_is_opaque_within_its_budget(compress):
    heard = unpack(compress(bytes(40 << 20)))
    assert "too-large" in heard.opaque
    assert sum(map(len, heard.streams.values())) < 10 << 20


def test_members_are_bounded():
    body = tar({str(i): b"x" for i in range(20)})
    assert hear(shape(body), body, limits=Limits(members=10)).opaque == ["too-large"]
