"""Sealing end to end: the command, a real socket, the use case and age; only index and audit are stand-ins."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyrage
import pytest
from blake3 import blake3
from haechi.app.sealing import SealFile
from haechi.app.unsealing import UnsealFile
from haechi.cli import run
from haechi.domain.content import Content, ContentState, Match, MatchHow
from haechi.domain.errors import HaechiError
from haechi.domain.tags import Grade, Tag
from haechi.inbound.control.calls import register_sealing
from haechi.inbound.control.peer import Role
from haechi.inbound.control.server import ControlServer
from haechi.outbound.clock import SystemClock
from haechi.outbound.seal.age import AgeCipher

from tests.command_line import served, settled_folder, told

SECRET = Tag("SEM-01", Grade.A)


class ExactIndex:
    """An index that knows whole contents by digest."""

    def __init__(self) -> None:
        self.known: dict[str, tuple[MatchHow, tuple[Tag, ...]]] = {}
        self.ready = True

    def scan(self, *, piece: bool = False) -> ExactScan:
        return ExactScan(self)

    def fingerprinting(self) -> ExactScan:
        return ExactScan(self, prints=True)

    def remember_sealed(self, digest: str, size: int, name: str, tags: tuple[Tag, ...], chunks: Sequence[int]) -> None:
        self.known[digest] = (MatchHow.SEALED, tags)

    def tag(self, data: bytes, *tags: Tag) -> None:
        self.known[f"blake3:{blake3(data).hexdigest()}"] = (MatchHow.EXACT, tags)


class ExactScan:
    matches: tuple[Match, ...] = ()

    def __init__(self, index: ExactIndex, *, prints: bool = False) -> None:
        self._index, self._prints, self._hash, self._size = index, prints, blake3(), 0

    def feed(self, data: bytes | memoryview) -> bool:
        self._hash.update(data)
        self._size += len(data)
        return False

    def finish(self) -> Any:
        digest = f"blake3:{self._hash.hexdigest()}"
        if self._prints:
            return digest, self._size, ()
        how, tags = self._index.known.get(digest, (None, ()))
        if how is None:
            return Content(ContentState.CLEAN, (), self._size, digest)
        return Content(ContentState.MATCHED, (Match("c1", "x", tags, how),), self._size, digest)


class ListAudit:
    def __init__(self) -> None:
        self.events: list[Mapping[str, Any]] = []

    async def durable(self, event: Mapping[str, Any]) -> None:
        self.events.append(event)


class Bench:
    """An agent that can only seal, in a thread, and the command line against it."""

    def __init__(self, folder: Path) -> None:
        self.identity = pyrage.x25519.Identity.generate()
        self.recipients = [str(self.identity.to_public())]
        self.index, self.audit = ExactIndex(), ListAudit()
        self.folder, self.roles = folder, set(Role)
        (folder / "c").mkdir()
        (folder / "c/identity.txt").write_text(f"# made for a test\n{self.identity}\n")
        self.interrupt: Callable[[], None] = lambda: None

    async def protect(self, plain: int, path: str, tags: Sequence[Tag]) -> dict[str, str]:
        self.index.tag(os.pread(plain, os.fstat(plain).st_size, 0), *tags)
        return {"user.haechi.test": json.dumps([tag.technology for tag in tags])}

    def seal_file(self) -> SealFile:
        outer = self

        class Cipher(AgeCipher):
            def seal(self, source: Any, target: Any, recipients: Sequence[str]) -> None:
                outer.interrupt()
                super().seal(source, target, recipients)

        return SealFile(self.index, lambda: self.recipients, Cipher(), self.audit, SystemClock(), lambda: "S-1")

    def register(self, server: ControlServer) -> None:
        unseal = UnsealFile(self.index, self.protect, self.audit, SystemClock(), lambda: "U-1")
        register_sealing(server, self.seal_file(), unseal)


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    with settled_folder() as folder, served(made := Bench(folder), monkeypatch):
        yield made


def left_over(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()} - {"haechi.toml", "c", "r", "s"}


def test_sealed_content_is_remembered_with_its_tags_and_opens_again(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = bench.folder / "설계.gds"
    plain.write_bytes(content := os.urandom(300_000))
    bench.index.tag(content, SECRET)
    assert run(["seal", "--json", str(plain)]) == 0
    sealed = bench.folder / "설계.gds.age"
    answer = told(capsys)
    assert [tag["technology"] for tag in answer["tags"]] == ["SEM-01"]
    digest = f"blake3:{blake3(sealed.read_bytes()).hexdigest()}"
    assert answer["digest"] == digest
    assert bench.index.known[digest] == (MatchHow.SEALED, (SECRET,))
    assert sealed.stat().st_mode & 0o777 == 0o600
    assert [event["kind"] for event in bench.audit.events] == ["sealed"]

    plain.unlink()
    bench.index.known = {digest: bench.index.known[digest]}
    assert run(["unseal", "--json", str(sealed)]) == 0
    assert plain.read_bytes() == content
    assert [tag["technology"] for tag in told(capsys)["tags"]] == ["SEM-01"]
    assert bench.index.known[f"blake3:{blake3(content).hexdigest()}"] == (MatchHow.EXACT, (SECRET,))
    assert json.loads(os.getxattr(plain, "user.haechi.test")) == ["SEM-01"]


def test_untagged_content_is_sealed_with_a_note_and_not_remembered(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    (bench.folder / "f").write_bytes(b"nothing special")
    assert run(["seal", str(bench.folder / "f")]) == 0
    assert "carries no tag" in capsys.readouterr().out
    assert bench.index.known == {}


def test_a_tagged_file_inside_an_archive_gives_the_archive_its_tags(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.index.tag(b"design" * 1000, SECRET)
    with zipfile.ZipFile(bench.folder / "f.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inner.gds", b"design" * 1000)
    assert run(["seal", "--json", str(bench.folder / "f.zip")]) == 0
    assert [tag["technology"] for tag in told(capsys)["tags"]] == ["SEM-01"]


def test_without_recipients_nothing_is_sealed(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    bench.recipients = []
    (bench.folder / "f").write_bytes(b"x")
    assert run(["seal", "--json", str(bench.folder / "f")]) == 1
    assert told(capsys)["error"]["code"] == "seal.no-recipients"
    assert left_over(bench.folder) == {"f"}


def test_a_file_that_changes_while_it_is_sealed_gives_nothing(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    plain = bench.folder / "f"
    plain.write_bytes(b"a" * 100_000)
    bench.interrupt = lambda: plain.write_bytes(b"b" * 100_000)
    assert run(["seal", "--json", str(plain)]) == 1
    assert told(capsys)["error"]["code"] == "seal.changed"
    assert left_over(bench.folder) == {"f"}
    assert bench.index.known == {}


def test_a_full_disk_is_named_and_leaves_nothing(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    (bench.folder / "f").write_bytes(b"x" * 500_000)
    bench.index.tag(b"x" * 500_000, SECRET)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)  # the kernel's own refusal to write on
    bench.interrupt = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        assert run(["seal", "--json", str(bench.folder / "f")]) == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert told(capsys)["error"]["code"] == "seal.no-space"
    assert left_over(bench.folder) == {"f"}
    assert len(bench.index.known) == 1


def test_an_existing_output_is_kept_unless_forced(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    plain, sealed = bench.folder / "f", bench.folder / "f.age"
    plain.write_bytes(b"x")
    sealed.write_bytes(b"mine")
    assert run(["seal", "--json", str(plain)]) == 1
    assert told(capsys)["error"]["code"] == "seal.exists"
    assert sealed.read_bytes() == b"mine"
    assert run(["seal", "--force", str(plain)]) == 0
    assert pyrage.decrypt(sealed.read_bytes(), [bench.identity]) == b"x"
    assert left_over(bench.folder) == {"f", "f.age"}


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda sealed: sealed[:-1], "seal.damaged"),
        (lambda sealed: sealed[:-1] + bytes([sealed[-1] ^ 1]), "seal.damaged"),
        (lambda sealed: b"plain text", "seal.not-age"),
        (lambda sealed: pyrage.encrypt(b"x", [pyrage.x25519.Identity.generate().to_public()]), "seal.wrong-identity"),
    ],
)
def test_what_cannot_be_opened_is_named_and_leaves_nothing(
    bench: Bench, capsys: pytest.CaptureFixture[str], spoil: Callable[[bytes], bytes], code: str
) -> None:
    sealed = pyrage.encrypt(b"y" * 200_000, [bench.identity.to_public()])
    (bench.folder / "f.age").write_bytes(spoil(sealed))
    assert run(["unseal", "--json", str(bench.folder / "f.age")]) == 1
    assert told(capsys)["error"]["code"] == code
    assert left_over(bench.folder) == {"f.age"}


def test_a_pipe_or_a_folder_is_refused_without_waiting(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(bench.folder / "pipe")
    assert run(["seal", "--json", str(bench.folder / "pipe")]) == 1
    assert told(capsys)["error"]["code"] == "seal.not-a-file"
    assert run(["seal", "--json", str(bench.folder / "c")]) == 1
    assert told(capsys)["error"]["code"] == "seal.not-a-file"


def test_memory_stays_constant_for_a_large_file(bench: Bench) -> None:
    import tracemalloc

    with (bench.folder / "big").open("wb") as file:
        file.truncate(64 << 20)
    tracemalloc.start()
    assert run(["seal", "--json", str(bench.folder / "big")]) == 0
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 << 20
    assert (bench.folder / "big.age").stat().st_size > 64 << 20


def test_progress_counts_each_byte_of_the_file_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    told_so_far: list[dict[str, Any]] = []

    @contextlib.contextmanager
    def progress(title: str, *, shown: bool) -> Iterator[Callable[[dict[str, Any]], None]]:
        yield told_so_far.append

    monkeypatch.setattr("haechi.commands.seal.progress", progress)
    monkeypatch.setattr("haechi.app.sealing.REPORT_EVERY", 0.0)
    with (bench.folder / "big").open("wb") as file:
        file.truncate(16 << 20)
    assert run(["seal", str(bench.folder / "big")]) == 0
    assert {fact["total"] for fact in told_so_far} == {16 << 20}
    assert all(fact["done"] <= fact["total"] for fact in told_so_far)


def test_a_recipient_that_is_no_key_is_named() -> None:
    with pytest.raises(HaechiError) as caught:
        AgeCipher().check(["age1nonsense"])
    assert caught.value.code == "seal.bad-recipient"
