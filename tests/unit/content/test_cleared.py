"""Contents that were cleared: their blocks count for nobody, what is a protected file's own stays found."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from pathlib import Path

import pytest
from blake3 import blake3
from haechi.app.indexing import Indexing
from haechi.domain.content import Content, ContentState, MatchHow
from haechi.domain.errors import HaechiError
from haechi.domain.tags import Grade, Tag
from haechi.outbound.index import FileReader, SqliteContentIndex

from tests.unit.content.conftest import TAG, body

Scanned = Callable[[bytes], Content]
HEADER, SECRET, OWN = body(31, 20_000), body(32, 60_000), body(33, 30_000)
TEMPLATE = HEADER + OWN
"""Nothing protected, and shares its beginning with what is."""
PROTECTED = HEADER + SECRET


def protect(indexing: Indexing, path: Path, data: bytes, tag: Tag = TAG) -> None:
    path.write_bytes(data)
    indexing.examine([str(path)], (tag,))


def prints_of(index: SqliteContentIndex, folder: Path, data: bytes) -> array[int]:
    path = folder / f"plain-{len(data)}"
    path.write_bytes(data)
    return FileReader(index.seed).read(str(path))[1].prints


def digest_of(data: bytes) -> str:
    return "blake3:" + blake3(data).hexdigest()


def clear(index: SqliteContentIndex, folder: Path, data: bytes) -> None:
    index.clear(digest_of(data), prints_of(index, folder, data))


def test_what_was_cleared_passes_and_what_is_the_files_own_does_not(
    index: SqliteContentIndex, indexing: Indexing, files: Path, tmp_path: Path, scanned: Scanned
) -> None:
    protect(indexing, files / "die.gds", PROTECTED)
    assert scanned(TEMPLATE).state is ContentState.MATCHED
    clear(index, tmp_path, TEMPLATE)
    for harmless in (TEMPLATE, HEADER, HEADER[5_000:], HEADER + body(34, 40_000)):
        assert scanned(harmless).state is ContentState.CLEAN
    assert scanned(PROTECTED).matches[0].how is MatchHow.EXACT
    assert scanned(b"x" + SECRET[10_000:30_000]).matches[0].how is MatchHow.PARTIAL
    assert scanned(TEMPLATE + SECRET[:20_000]).state is ContentState.MATCHED


def test_it_counts_for_what_is_tagged_later_and_however_often_the_common_is_learned(
    index: SqliteContentIndex, indexing: Indexing, files: Path, tmp_path: Path, scanned: Scanned
) -> None:
    protect(indexing, files / "die.gds", PROTECTED)
    clear(index, tmp_path, TEMPLATE)
    protect(indexing, files / "other.gds", HEADER + body(35, 60_000), Tag("SEM-01", Grade.B))
    index.set_common("1", prints_of(index, tmp_path, body(36, 30_000)))
    assert scanned(TEMPLATE).state is ContentState.CLEAN
    index.set_common("2", prints_of(index, tmp_path, HEADER))
    index.set_common("3", array("Q"))
    assert scanned(TEMPLATE).state is ContentState.CLEAN
    index.count_again(digest_of(TEMPLATE))
    assert {tag.grade for tag in scanned(TEMPLATE).tags} == {Grade.A}
    assert scanned(b"x" + body(35, 60_000)).state is ContentState.MATCHED


def test_it_outlives_the_process(index: SqliteContentIndex, indexing: Indexing, files: Path, tmp_path: Path) -> None:
    protect(indexing, files / "die.gds", PROTECTED)
    clear(index, tmp_path, TEMPLATE)
    index.close()
    again = SqliteContentIndex(tmp_path / "state" / "index.sqlite")
    try:
        assert again.cleared() == [digest_of(TEMPLATE)]
        scan = again.scan()
        scan.feed(TEMPLATE)
        assert scan.finish().state is ContentState.CLEAN
    finally:
        again.close()


def test_taken_back_its_blocks_count_again(
    index: SqliteContentIndex, indexing: Indexing, files: Path, tmp_path: Path, scanned: Scanned
) -> None:
    protect(indexing, files / "die.gds", PROTECTED)
    clear(index, tmp_path, TEMPLATE)
    assert index.count_again(digest_of(TEMPLATE))
    assert not index.count_again(digest_of(TEMPLATE))
    assert scanned(TEMPLATE).state is ContentState.MATCHED
    assert index.cleared() == []


def test_overlap_tells_what_would_be_kept(
    index: SqliteContentIndex, indexing: Indexing, files: Path, tmp_path: Path
) -> None:
    protect(indexing, files / "die.gds", PROTECTED)
    protect(indexing, files / "strange.gds", body(37, 30_000))
    some = index.overlap(prints_of(index, tmp_path, TEMPLATE))
    assert (some.touched, some.kept) == ({digest_of(PROTECTED)}, frozenset())
    most = index.overlap(prints_of(index, tmp_path, HEADER + SECRET[:30_000]))
    assert most.kept == {digest_of(PROTECTED)}
    assert index.overlap(prints_of(index, tmp_path, OWN)).touched == frozenset()


def test_piece_by_piece_a_content_is_not_cleared_away(
    index: SqliteContentIndex, indexing: Indexing, files: Path, tmp_path: Path, scanned: Scanned
) -> None:
    protect(indexing, files / "die.gds", PROTECTED)
    clear(index, tmp_path, PROTECTED[:36_000])
    second = prints_of(index, tmp_path, PROTECTED[36_000:])
    assert index.overlap(second).kept == {digest_of(PROTECTED)}
    index.clear(digest_of(PROTECTED[36_000:]), second)
    for excerpt in (PROTECTED[:36_000], PROTECTED[36_000:]):
        assert scanned(b"x" + excerpt).state is ContentState.MATCHED, "most of it cleared: it keeps all its blocks"


def test_what_was_cleared_and_is_tagged_after_all_is_found_again(
    index: SqliteContentIndex, indexing: Indexing, files: Path, tmp_path: Path, scanned: Scanned
) -> None:
    clear(index, tmp_path, TEMPLATE)
    protect(indexing, files / "template.docx", TEMPLATE)
    assert scanned(TEMPLATE).matches[0].how is MatchHow.EXACT
    assert scanned(b"x" + TEMPLATE[3_000:]).state is ContentState.MATCHED


@pytest.mark.parametrize("limits", [(1, 1_000_000), (1_000, 50)])
def test_no_more_is_remembered_than_there_is_room_for(
    index: SqliteContentIndex, tmp_path: Path, limits: tuple[int, int]
) -> None:
    index.most_cleared = limits
    index.mark_ready()
    clear(index, tmp_path, TEMPLATE)
    with pytest.raises(HaechiError) as raised:
        clear(index, tmp_path, body(38, 90_000))
    assert raised.value.code == "appeal.full"
    assert index.cleared() == [digest_of(TEMPLATE)]
    assert index.ready, "a bound is no failure of storage"
    clear(index, tmp_path, TEMPLATE)


def test_an_index_made_before_has_the_table_too(tmp_path: Path) -> None:
    path = tmp_path / "old" / "index.sqlite"
    old = SqliteContentIndex(path)
    old._rows.connection.execute("DROP TABLE cleared")
    old.close()
    index = SqliteContentIndex(path)
    try:
        clear(index, tmp_path, TEMPLATE)
        assert index.cleared() == [digest_of(TEMPLATE)]
    finally:
        index.close()
