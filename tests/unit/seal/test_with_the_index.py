"""Sealing with the real index: what comes out is recognised as sealed wherever it is cut, and nothing else is."""

from __future__ import annotations

import os
from pathlib import Path

import pyrage
import pytest
from haechi.app.sealing import Sealed, SealFile
from haechi.domain.content import MatchHow
from haechi.domain.tags import Grade, Tag
from haechi.outbound.clock import SystemClock
from haechi.outbound.index.reading import FileReader
from haechi.outbound.index.sqlite import SqliteContentIndex
from haechi.outbound.seal.age import AgeCipher
from haechi.ports.protection import Observed

from tests.unit.seal.test_sealing import ListAudit

TAG = Tag("SEM-01", Grade.A)


async def nothing(done: int, total: int) -> None: ...


async def sealed(index: SqliteContentIndex, plain: Path, target: Path) -> Sealed:
    key = pyrage.x25519.Identity.generate().to_public()
    use_case = SealFile(index, lambda: [str(key)], AgeCipher(), ListAudit(), SystemClock(), lambda: "S-1")  # type: ignore[arg-type]
    source, out = os.open(plain, os.O_RDONLY), os.open(target, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        return await use_case(source, out, str(plain), "kim", nothing)
    finally:
        os.close(source)
        os.close(out)


@pytest.mark.parametrize("size", [1, 5_000, 1_000_000])
async def test_ciphertext_of_an_excerpt_or_of_all_is_sealed_and_the_plain_content_is_not(
    tmp_path: Path, size: int
) -> None:
    index = SqliteContentIndex(tmp_path / "i.sqlite")
    index.mark_ready()
    plain = tmp_path / "design.gds"
    plain.write_bytes(os.urandom(size))
    stamp, prints = FileReader(index.seed).read(str(plain))
    index.observe([Observed(str(plain), stamp, (TAG,), prints)])
    made = await sealed(index, plain, tmp_path / "design.gds.age")
    assert [tag.technology for tag in made.tags] == ["SEM-01"]

    def how(data: bytes) -> set[MatchHow]:
        scan = index.scan()
        for at in range(0, len(data), 70_001):
            scan.feed(data[at : at + 70_001])
        return {match.how for match in scan.finish().matches}

    assert how((tmp_path / "design.gds.age").read_bytes()) == {MatchHow.SEALED}
    assert how(plain.read_bytes()) == {MatchHow.EXACT}
    stranger = pyrage.encrypt(plain.read_bytes(), [pyrage.x25519.Identity.generate().to_public()])
    assert MatchHow.SEALED not in how(stranger)
    index.close()
