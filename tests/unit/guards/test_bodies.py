"""Bodies of requests as a guard shows them: every kind is seen whole, and sent whole afterwards."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from botocore.httpchecksum import AwsChunkedWrapper, Crc32Checksum
from haechi.ports.guard import FileRange
from haechi_connectors import bodies
from haechi_connectors.bodies import SMALL
from haechi_connectors.s3.bodies import in_file, rewinding
from s3transfer.utils import ReadFileChunk

Shown = partial(bodies.Shown, part=in_file, again=rewinding)
SIZES = [0, 1, SMALL, SMALL + 1, 1_000_003]


class Once(io.RawIOBase):
    """Cannot be set back."""

    def __init__(self, data: bytes) -> None:
        self.source = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self.source.read(size)


def seen(offer: Any, piece: int = 100_000) -> bytes:
    if isinstance(offer, bytes):
        return offer
    assert not isinstance(offer, FileRange)
    return b"".join(iter(lambda: offer(piece), b""))


def whole(body: Any) -> bytes:
    return bytes(body) if isinstance(body, bytes | bytearray | memoryview) else body.read()


KINDS: dict[str, Callable[[bytes], Any]] = {
    "bytes": lambda data: data,
    "bytearray": bytearray,
    "memoryview": memoryview,
    "memory": io.BytesIO,
    "once": Once,
    "pieces": lambda data: (data[at : at + 50_000] for at in range(0, len(data), 50_000)),
    "list": lambda data: [data[:7], b"", data[7:]],
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_seen_is_what_is_sent(kind: str, size: int) -> None:
    data = os.urandom(size)
    shown = Shown(KINDS[kind](data))
    assert seen(shown.offer()) == data
    assert whole(shown.after()) == data


@pytest.mark.parametrize("size", SIZES)
def test_left_in_the_middle_it_is_sent_from_its_beginning(size: int) -> None:
    data = os.urandom(size)
    for kind in KINDS.values():
        shown = Shown(kind(data))
        offer = shown.offer()
        if callable(offer):
            offer(1000)
        assert whole(shown.after()) == data


@pytest.mark.parametrize("raw", [io.BytesIO, Once])
@pytest.mark.parametrize("size", SIZES)
def test_a_frame_is_seen_with_what_it_frames(raw: Callable[[bytes], Any], size: int) -> None:
    data = os.urandom(size)

    def framed() -> Any:
        return AwsChunkedWrapper(raw(data), Crc32Checksum, "x-amz-checksum-crc32")

    wire = framed().read()
    shown = Shown(framed())
    assert seen(shown.offer()) == wire
    assert shown.after().read() == wire


def test_a_stream_that_cannot_be_set_back_is_not_sent_twice() -> None:
    shown = Shown(Once(os.urandom(SMALL * 2)))
    shown.offer()
    assert not hasattr(shown.after(), "seek")


def test_a_body_begins_where_it_stands(tmp_path: Path) -> None:
    data = os.urandom(SMALL * 3)
    (tmp_path / "file").write_bytes(data)
    for skipped in (5, len(data) - 10):
        with (tmp_path / "file").open("rb") as file:
            for body in (file, io.BytesIO(data)):
                body.seek(skipped)
                shown = Shown(body)
                offer = shown.offer()
                if isinstance(offer, FileRange):
                    assert (offer.offset, offer.length, offer.chunked) == (skipped, len(data) - skipped, False)
                else:
                    assert seen(offer) == data[skipped:]
                assert shown.after().read() == data[skipped:]
                framed = AwsChunkedWrapper(body)
                body.seek(skipped)
                again = rewinding(framed)
                assert again is not None
                framed.read()
                again()
                assert body.tell() == skipped


def test_a_part_of_a_file_goes_as_that_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(os.urandom(3_000_000))
    part = ReadFileChunk.from_filename(str(path), 1_000_000, 1_500_000)
    found = in_file(part)
    assert found is not None
    assert (found.offset, found.length, found.chunked) == (1_000_000, 1_500_000, False)
    framed = in_file(AwsChunkedWrapper(part))
    assert framed == FileRange(found.descriptor, 1_000_000, 1_500_000, True)
    last = in_file(ReadFileChunk.from_filename(str(path), 2_500_000, 1_500_000))
    assert last is not None
    assert last.length == 500_000
    part.read(10)
    assert in_file(part) is None, "it was begun: what is left is read"
    part.close()


def test_what_only_looks_like_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(os.urandom(SMALL * 2))

    class Turned(io.FileIO):
        """Reads other bytes than lie there."""

        def read(self, size: int = -1) -> bytes:
            return bytes(byte ^ 255 for byte in super().read(size))

    with Turned(str(path)) as turned, path.open("r+b") as changing:
        assert in_file(turned) is None
        assert in_file(changing) is None, "what was written may not be in the file yet"
        offer = Shown(turned).offer()
        assert seen(offer) == bytes(byte ^ 255 for byte in path.read_bytes())
    reading, writing = os.pipe()
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        assert in_file(pipe) is None
        assert rewinding(pipe) is None


@pytest.mark.parametrize("body", [object(), {"a": "form"}, 7])
def test_what_cannot_be_read_is_not_sent(body: object) -> None:
    with pytest.raises(TypeError):
        Shown(body).offer()


def test_pieces_are_sent_as_they_came() -> None:
    shown = Shown(iter([b"ab", "c", bytearray(b"d")]))
    assert shown.offer() == b"abcd"
    assert b"".join(shown.after()) == b"abcd"


def test_no_body_is_none() -> None:
    shown = Shown(None)
    assert shown.offer() == b""
    assert shown.after() is None
