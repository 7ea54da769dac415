"""Git packs, made by git itself."""

from __future__ import annotations

import os
import random
import struct
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from haechi.domain.upload import BodyShape, Framing
from haechi.payload import deltas, packs
from hypothesis import given, settings
from hypothesis import strategies as st

from .bodies import Heard, hear, outcome

RANDOM = random.Random(5)
SECRET = RANDOM.randbytes(40_000)
TEXT = "".join(f"step {n}: heat to {n * 7 % 613} degrees\n" for n in range(4000)).encode()
EDITED = TEXT[:50_000] + b"one line that nobody else has, and a few bytes more\n" + TEXT[50_000:]
NO_COMMIT = "0" * 40


class Repository:
    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.git("init", "-q", "-b", "main", *options, str(folder), at=None)

    def git(self, *arguments: str, at: Path | None = Path(), given: bytes = b"") -> bytes:
        quiet = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null", "HOME": "/nonexistent"}
        who = {f"GIT_{role}_{what}": "lab@localhost" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        command = ["git", *(() if at is None else ("-C", str(self.folder))), *arguments]
        done = subprocess.run(
            command, input=given, capture_output=True, timeout=60, check=True, env={**os.environ, **quiet, **who}
        )
        return done.stdout

    def commit(self, **files: bytes) -> str:
        for name, data in files.items():
            (self.folder / name).write_bytes(data)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "one")
        return self.git("rev-parse", "HEAD").decode().strip()

    def pack(self, *revisions: str, thin: bool = False, offsets: bool = True) -> bytes:
        options = ["--thin"] * thin + ["--delta-base-offset"] * offsets
        return self.git(
            "pack-objects", "--stdout", "--revs", "-q", *options, given="\n".join(revisions).encode() + b"\n"
        )


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "r")


def line(text: bytes) -> bytes:
    return b"%04x" % (len(text) + 4) + text


def push(pack: bytes, new: str, old: str = NO_COMMIT) -> bytes:
    return line(f"{old} {new} refs/heads/main\0 report-status side-band-64k".encode()) + b"0000" + pack


def look(body: bytes, cuts: object = ()) -> Heard:
    return hear(BodyShape(Framing.PLAIN, len(body), unwrap=True), body, cuts)


def streams(body: bytes, cuts: object = ()) -> list[bytes]:
    return list(look(body, cuts).streams.values())


def test_each_file_of_a_push_is_a_stream(repository: Repository) -> None:
    new = repository.commit(secret=SECRET, text=TEXT, small=b"x")
    body = push(repository.pack("HEAD"), new)
    for cuts in ((), range(0, len(body), 1000)):
        heard = look(body, cuts)
        assert {SECRET, TEXT, b"x"} <= set(heard.streams.values())
        assert not heard.opaque


@pytest.mark.parametrize("offsets", [True, False])
def test_deltas_are_applied_to_bases_of_the_same_pack(repository: Repository, offsets: bool) -> None:
    repository.commit(a=TEXT)
    new = repository.commit(a=EDITED)
    pack = repository.pack("HEAD", offsets=offsets)
    assert len(pack) < len(TEXT) // 2, "git made no delta, so this tests none"
    heard = look(push(pack, new))
    assert {TEXT, EDITED} <= set(heard.streams.values())
    assert not heard.opaque


def test_of_a_delta_to_what_the_server_has_the_new_bytes_are_seen_and_the_rest_is_opaque(
    repository: Repository,
) -> None:
    old = repository.commit(a=TEXT)
    new = repository.commit(a=EDITED)
    heard = look(push(repository.pack("HEAD", f"^{old}", thin=True), new, old))
    assert any(b"one line that nobody else has" in data and len(data) < 200 for data in heard.streams.values())
    assert heard.opaque == ["unsupported"]


def test_a_bundle_and_a_bare_pack_are_read(repository: Repository) -> None:
    repository.commit(secret=SECRET)
    assert SECRET in streams(repository.git("bundle", "create", "-q", "-", "main"))
    assert SECRET in streams(repository.pack("HEAD"))


def test_objects_named_by_sha256_are_read(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "r", "--object-format=sha256")
    repository.commit(a=TEXT)
    repository.commit(a=EDITED)
    pack = repository.git("bundle", "create", "-q", "--version=3", "-", "main")
    assert {TEXT, EDITED} <= set(streams(pack))


def test_a_push_without_a_pack_is_nothing_that_cannot_be_read(repository: Repository) -> None:
    new = repository.commit(a=b"x")
    assert look(push(b"", NO_COMMIT, new)).opaque == []
    assert look(b"0000").opaque == []


def test_a_push_that_is_cut_short_is_opaque(repository: Repository) -> None:
    new = repository.commit(secret=SECRET)
    body = push(repository.pack("HEAD"), new)
    assert look(body[: len(body) // 2]).opaque == ["malformed-member"]


def entry(kind: int, data: bytes, size: int | None = None, base: bytes = b"") -> bytes:
    size = len(data) if size is None else size
    number, size = kind << 4 | size & 15, size >> 4
    head = b""
    while size:
        head += bytes((number | 0x80,))
        number, size = size & 0x7F, size >> 7
    return head + bytes((number,)) + base + zlib.compress(data)


def bare(*entries: bytes, count: int | None = None) -> bytes:
    return b"PACK" + struct.pack(">II", 2, len(entries) if count is None else count) + b"".join(entries) + b"\0" * 20


HOSTILE: dict[str, Callable[[], bytes]] = {
    "a size that lies": lambda: bare(entry(3, b"hello", 4)),
    "a size that lies upward": lambda: bare(entry(3, b"hello", 6)),
    "an unknown kind": lambda: bare(entry(5, b"hello")),
    "a size without an end": lambda: bare(b"\xff" * 20),
    "more objects than there are": lambda: bare(entry(3, b"hello"), count=2),
    "a delta that copies beyond its base": lambda: bare(
        entry(3, b"hello"), entry(6, b"\x05\x05\x90\x09", base=b"\x0e")
    ),
    "a delta that makes more than it says": lambda: bare(
        entry(3, b"hello"), entry(6, b"\x05\x01\x03abc", base=b"\x0e")
    ),
    "a delta of nothing": lambda: bare(entry(3, b"hello"), entry(6, b"\x05\x03\x00", base=b"\x0e")),
    "a pkt-line that is none": lambda: line(f"{NO_COMMIT} {NO_COMMIT} x\0".encode()) + b"wxyz0000PACK",
    "a bundle without an end": lambda: b"# v2 git bundle\n" + b"-" * (packs.LINE_LIMIT + 1),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_contradicts_itself_is_opaque(name: str) -> None:
    body = HOSTILE[name]()
    assert look(body).opaque
    assert outcome(BodyShape(Framing.PLAIN, len(body), unwrap=True), body, range(len(body))) == outcome(
        BodyShape(Framing.PLAIN, len(body), unwrap=True), body
    )


def test_a_delta_cannot_make_more_than_is_allowed() -> None:
    base = b"\0" * 60_000
    copies = b"\xb0\x60\xea" * 30_000  # each copies 60,000 bytes
    made = 60_000 * 30_000
    sizes = b"".join(
        bytes((n & 0x7F | 0x80, n >> 7 & 0x7F | 0x80, n >> 14 & 0x7F | 0x80, n >> 21 & 0x7F | 0x80, n >> 28))
        for n in (60_000, made)
    )
    first = entry(3, base)
    heard = look(bare(first, entry(7, sizes + copies, base=_name(base))))
    assert heard.opaque == ["too-large"]
    assert sum(map(len, heard.streams.values())) < 64 << 20


def _name(data: bytes) -> bytes:
    import hashlib

    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).digest()


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300), st.lists(st.integers(0, 700), max_size=5))
def test_hostile_packs_are_read_or_opaque_however_they_are_cut(noise: bytes, cuts: list[int]) -> None:
    for body in (
        bare(entry(3, b"hello")) + noise,
        b"PACK\0\0\0\x02" + noise,
        bare(noise, count=3),
        push(noise, NO_COMMIT),
    ):
        facts = BodyShape(Framing.PLAIN, len(body), unwrap=True)
        assert outcome(facts, body, cuts) == outcome(facts, body)


def test_of_many_objects_only_the_last_are_kept_as_bases() -> None:
    bases = deltas.Bases()
    for at in range(12):
        bases.keep(at, 3, bytes((at,)) * (4 << 20), 20)
    assert bases.find(0) is None
    kept = bases.find(11)
    assert kept is not None
    assert bases.find(kept.name) is kept
