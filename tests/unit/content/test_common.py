"""Blocks that are everywhere are nobody's excerpt; nobody can make a protected content's own blocks such."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from haechi.app.indexing import Indexing
from haechi.app.learning import LearnCommon
from haechi.domain.content import Content, ContentState, MatchHow
from haechi.outbound.index import FileReader, SqliteContentIndex
from haechi.outbound.index.system_content import SystemContent, roots_alone

from tests.unit.content.conftest import TAG, body

Scanned = Callable[[bytes], Content]
LICENCE, SECRET = body(11, 30_000), body(12, 60_000)


@pytest.fixture
def system(tmp_path: Path) -> Path:
    folder = tmp_path / "usr" / "share"
    folder.mkdir(parents=True)
    (folder / "LICENCE").write_bytes(LICENCE)
    return folder


def content(index: SqliteContentIndex, *folders: Path, most: int = 1 << 20) -> SystemContent:
    """As if all that the tests write were root's alone, but for what says ``writable`` in its mode."""
    reader = FileReader(index.seed)

    def trusted(about: os.stat_result) -> bool:
        return not about.st_mode & stat.S_IWOTH or bool(about.st_mode & stat.S_ISVTX)  # the tests lie below /tmp

    return SystemContent([str(folder) for folder in folders], reader, most_bytes=most, trusted=trusted)


def protect(indexing: Indexing, path: Path, data: bytes) -> None:
    path.write_bytes(data)
    indexing.examine([str(path)], (TAG,))


def test_an_excerpt_of_what_is_everywhere_is_nobodys(
    index: SqliteContentIndex, indexing: Indexing, files: Path, system: Path, scanned: Scanned
) -> None:
    protect(indexing, files / "source", SECRET + LICENCE)
    assert scanned(b"x" + LICENCE).state is ContentState.MATCHED
    learn = LearnCommon(content(index, system), index)
    assert learn()
    assert scanned(b"x" + LICENCE).state is ContentState.CLEAN
    assert scanned(b"x" + SECRET[:20_000]).state is ContentState.MATCHED
    assert scanned(SECRET + LICENCE).matches[0].how is MatchHow.EXACT
    assert learn() is None, "nothing changed"


def test_what_is_tagged_later_counts_without_common_blocks_too(
    index: SqliteContentIndex, indexing: Indexing, files: Path, system: Path, scanned: Scanned
) -> None:
    LearnCommon(content(index, system), index)()
    protect(indexing, files / "source", SECRET + LICENCE)
    assert scanned(b"x" + LICENCE).state is ContentState.CLEAN
    assert scanned(b"x" + SECRET[:20_000]).state is ContentState.MATCHED


def test_what_is_common_outlives_the_agent(
    index: SqliteContentIndex, indexing: Indexing, files: Path, system: Path, tmp_path: Path
) -> None:
    protect(indexing, files / "source", SECRET + LICENCE)
    LearnCommon(content(index, system), index)()
    index.close()
    again = SqliteContentIndex(tmp_path / "state" / "index.sqlite")
    scan = again.scan()
    scan.feed(b"x" + LICENCE)
    assert scan.finish().state is ContentState.CLEAN
    again.close()


def test_a_content_that_is_everywhere_itself_keeps_its_blocks(
    index: SqliteContentIndex, indexing: Indexing, files: Path, system: Path, scanned: Scanned
) -> None:
    """Whoever tags a library of the system means it; else nothing but the whole file would be found."""
    LearnCommon(content(index, system), index)()
    protect(indexing, files / "copy", LICENCE)
    assert scanned(b"x" + LICENCE[:20_000]).state is ContentState.MATCHED


def test_a_protected_content_teaches_nothing(
    index: SqliteContentIndex, indexing: Indexing, files: Path, system: Path, scanned: Scanned
) -> None:
    protect(indexing, files / "secret", SECRET)
    protect(indexing, files / "longer", SECRET + body(13, 90_000))
    (system / "copy").write_bytes(SECRET)
    LearnCommon(content(index, system), index)()
    assert scanned(b"x" + SECRET[:20_000]).state is ContentState.MATCHED


@pytest.mark.parametrize("writable", ["file", "folder", "above"])
def test_what_a_person_could_write_teaches_nothing(
    index: SqliteContentIndex, indexing: Indexing, files: Path, system: Path, scanned: Scanned, writable: str
) -> None:
    protect(indexing, files / "longer", SECRET + body(13, 90_000))
    (system / "sub").mkdir()
    (system / "sub" / "copy").write_bytes(SECRET)
    {"file": system / "sub" / "copy", "folder": system / "sub", "above": system.parent}[writable].chmod(0o777)
    LearnCommon(content(index, system), index)()
    assert scanned(b"x" + SECRET[:20_000]).state is ContentState.MATCHED


def test_links_out_of_the_system_are_not_followed(
    index: SqliteContentIndex, indexing: Indexing, files: Path, system: Path, scanned: Scanned
) -> None:
    protect(indexing, files / "longer", SECRET + body(13, 90_000))
    (files / "copy").write_bytes(SECRET)
    (system / "link").symlink_to(files / "copy")
    (system / "folder").symlink_to(files)
    LearnCommon(content(index, system), index)()
    assert scanned(b"x" + SECRET[:20_000]).state is ContentState.MATCHED


def test_only_roots_own_files_count(tmp_path: Path) -> None:
    def status(uid: int, mode: int) -> os.stat_result:
        return os.stat_result((mode, 1, 1, 1, uid, 0, 0, 0, 0, 0))

    assert roots_alone(status(0, 0o100644)) and roots_alone(status(0, 0o040755))
    assert not any(map(roots_alone, (status(1000, 0o100644), status(0, 0o100664), status(0, 0o040757))))


def test_work_and_memory_are_bounded(index: SqliteContentIndex, system: Path) -> None:
    (system / "MORE").write_bytes(body(14, 40_000))
    assert len(list(content(index, system, most=35_000).bodies())) == 1
    assert LearnCommon(content(index, system), index, most=5)() == 5
