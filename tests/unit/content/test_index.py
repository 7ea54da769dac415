"""What the index recognises, and what it says when it cannot answer."""

import contextlib
import itertools
import sqlite3
import stat
from array import array
from collections.abc import Callable
from pathlib import Path

import pytest
from haechi.app.indexing import Indexing
from haechi.domain.content import Content, ContentState, MatchHow, union
from haechi.domain.errors import HaechiError
from haechi.domain.tags import Funding, Grade, Tag
from haechi.outbound.index import FileReader, SqliteContentIndex
from haechi.payload.anchors import RUN, Winnower
from haechi.ports.index import Edges
from haechi.ports.protection import Observed
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.content.conftest import TAG, body

Scanned = Callable[[bytes], Content]


def protect(indexing: Indexing, path: Path, data: bytes, *tags: Tag) -> None:
    path.write_bytes(data)
    indexing.examine([str(path)], tags or (TAG,))


def test_a_whole_file_is_exact_and_says_whose_it_is(indexing: Indexing, files: Path, scanned: Scanned) -> None:
    data = body(1, 300_000)
    protect(indexing, files / "die.gds", data)
    found = scanned(data)
    assert found.state is ContentState.MATCHED
    exact = next(match for match in found.matches if match.how is MatchHow.EXACT)
    assert (exact.name, exact.total_bytes, exact.share) == (str(files / "die.gds"), 300_000, 1.0)
    assert found.digest.startswith("blake3:")
    assert found.tags == (TAG,)
    assert not any(match.how is MatchHow.PARTIAL for match in found.matches)


def test_a_small_file_is_found_whole_and_other_content_is_clean(
    indexing: Indexing, files: Path, scanned: Scanned
) -> None:
    protect(indexing, files / "recipe.txt", b"etch 30 s at 12 mTorr, 40 sccm\n")
    assert scanned(b"etch 30 s at 12 mTorr, 40 sccm\n").matches[0].how is MatchHow.EXACT
    assert scanned(b"etch 31 s at 12 mTorr, 40 sccm\n").state is ContentState.CLEAN


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 400_000 - RUN), st.integers(0, 30_000), st.lists(st.integers(0, 60_000), max_size=6))
def test_every_excerpt_of_the_guaranteed_length_is_found_however_the_body_is_cut(
    tmp_path_factory: pytest.TempPathFactory, at: int, before: int, cuts: list[int]
) -> None:
    index, data = _filled(tmp_path_factory)
    upload = body(7, before) + data[at : at + RUN] + body(8, 3000)
    scan, last, grew = index.scan(), 0, False
    for cut in [*sorted(min(cut, len(upload)) for cut in cuts), len(upload)]:
        grew = scan.feed(upload[last:cut]) or grew
        last = cut
    match = scan.finish().matches[0]
    assert grew
    assert match.how is MatchHow.PARTIAL
    assert 0 < match.matched_bytes <= RUN


_kept: list[tuple[SqliteContentIndex, bytes]] = []


def _filled(factory: pytest.TempPathFactory) -> tuple[SqliteContentIndex, bytes]:
    if not _kept:
        folder, data = factory.mktemp("filled"), body(2, 400_000)
        index = SqliteContentIndex(folder / "index.sqlite")
        (folder / "f").write_bytes(data)
        stamp, prints = FileReader(index.seed).read(str(folder / "f"))
        index.observe([Observed(str(folder / "f"), stamp, (TAG,), prints)])
        _kept.append((index, data))
    return _kept[0]


def test_matched_bytes_are_a_lower_bound_of_what_was_seen(indexing: Indexing, files: Path, scanned: Scanned) -> None:
    data = body(3, 1_000_000)
    protect(indexing, files / "f", data)
    seen = scanned(body(9, 777) + data[100_000:200_000] * 3).matches[0]
    assert 85_000 < seen.matched_bytes <= 100_000
    assert 0.08 < seen.share <= 0.1


def test_a_block_of_two_contents_carries_the_stricter_tag_too(
    indexing: Indexing, files: Path, scanned: Scanned
) -> None:
    shared = body(4, 50_000)
    protect(indexing, files / "a", shared + body(5, 20_000), Tag("SEM-01", Grade.C, Funding.PRIVATE))
    protect(indexing, files / "b", body(6, 20_000) + shared, Tag("SEM-01", Grade.A, Funding.GOVERNMENT))
    assert scanned(b"x" + shared).tags == (Tag("SEM-01", Grade.A, Funding.GOVERNMENT),)


def test_a_thousand_versions_of_a_file_hold_their_common_blocks_once(index: SqliteContentIndex) -> None:
    prints = array("Q", range(1000, 2000))
    for number in range(1, 1000):
        index.hot.add_blocks(number, 0, prints, array("I", range(1000)))
    assert len(index.hot.table) == 1000


def test_raising_a_tag_reaches_blocks_that_another_content_held_first(
    indexing: Indexing, files: Path, scanned: Scanned
) -> None:
    shared, low = body(4, 50_000), Tag("SEM-01", Grade.C, Funding.PRIVATE)
    protect(indexing, files / "a", shared, low)
    protect(indexing, files / "b", shared + body(6, 20_000), low)
    indexing.examine([str(files / "b")], (Tag("SEM-01", Grade.A, Funding.PRIVATE),))
    assert scanned(b"x" + shared).tags[0].grade is Grade.A


def test_what_is_tagged_during_a_scan_is_seen_from_then_on(
    index: SqliteContentIndex, indexing: Indexing, files: Path
) -> None:
    data, scan = body(5, 200_000), index.scan()
    assert not scan.feed(data[:100_000])
    protect(indexing, files / "late", data)
    assert scan.feed(data[100_000:])
    assert scan.finish().matches[0].how is MatchHow.EXACT


def test_the_index_outlives_its_process(
    indexing: Indexing, index: SqliteContentIndex, files: Path, tmp_path: Path
) -> None:
    data = body(5, 200_000)
    protect(indexing, files / "f", data)
    index.close()
    again = SqliteContentIndex(tmp_path / "state" / "index.sqlite")
    scan = again.scan()
    assert scan.feed(data[50_000:90_000])
    assert again.worst_tags() == (TAG,)
    assert not again.empty
    again.close()


def test_only_the_owner_may_read_index_and_seed(index: SqliteContentIndex, tmp_path: Path) -> None:
    for name in ("index.sqlite", "index.sqlite.seed"):
        assert stat.S_IMODE((tmp_path / "state" / name).stat().st_mode) == 0o600


def test_fingerprints_of_two_installations_have_nothing_in_common(tmp_path: Path) -> None:
    one, two = SqliteContentIndex(tmp_path / "1" / "i"), SqliteContentIndex(tmp_path / "2" / "i")
    data = body(1, 100_000)
    assert not set(Winnower(one.seed).feed(data).prints) & set(Winnower(two.seed).feed(data).prints)
    one.close()
    two.close()


def test_empty_only_when_everything_was_gone_through(
    index: SqliteContentIndex, indexing: Indexing, files: Path
) -> None:
    assert not index.empty
    assert not index.ready
    indexing.scan([str(files)])
    assert index.ready
    assert index.empty
    protect(indexing, files / "f", b"something to protect")
    assert not index.empty


def test_an_empty_file_never_matches(indexing: Indexing, files: Path, scanned: Scanned) -> None:
    protect(indexing, files / "empty", b"")
    assert scanned(b"").state is ContentState.CLEAN


def test_blocks_that_are_everywhere_stop_counting_and_whole_files_do_not(
    index: SqliteContentIndex, indexing: Indexing, files: Path, scanned: Scanned
) -> None:
    licence = body(11, 30_000)
    protect(indexing, files / "source.c", licence + body(12, 30_000))
    index.set_common("1", Winnower(index.seed).feed(licence).prints)
    assert scanned(b"x" + licence).state is ContentState.CLEAN
    assert scanned(licence + body(12, 30_000)).matches[0].how is MatchHow.EXACT
    assert scanned(b"x" + body(12, 30_000)).state is ContentState.MATCHED
    index.set_common("2", array("Q"))
    assert scanned(b"x" + licence).state is ContentState.MATCHED, "what is common no more counts again"


# --- sealed ciphertext ------------------------------------------------------------------------------------------------


def seal(index: SqliteContentIndex, ciphertext: bytes) -> None:
    prints = index.fingerprinting()
    for at in range(0, len(ciphertext), 70_000):
        prints.feed(ciphertext[at : at + 70_000])
    digest, size, chunks = prints.finish()
    index.remember_sealed(digest, size, "die.gds.age", (TAG,), chunks)


def assembled(index: SqliteContentIndex, *parts: bytes) -> Content:
    """What a judge makes of an object of these parts."""
    pieces: list[Content] = []
    edges: list[Edges] = []
    for part in parts:
        scan = index.scan(piece=True)
        scan.feed(part)
        pieces.append(scan.finish())
        edges.append(scan.edges())
    seams = index.seams(edges)
    together = [*pieces, Content(ContentState.MATCHED, seams)] if seams else pieces
    return union(together)


@pytest.mark.parametrize("size", [100, 5_000, 9_000, 400_000])
def test_ciphertext_of_our_own_is_sealed(index: SqliteContentIndex, scanned: Scanned, size: int) -> None:
    ciphertext = body(20, size)
    seal(index, ciphertext)
    assert scanned(ciphertext).sealed


@pytest.mark.parametrize(
    "cut", [(200_000,), (100_000, 300_000, 399_990), (8_192, 16_384), (3, 10_000, 12_000)], ids=str
)
def test_ciphertext_in_parts_is_sealed(index: SqliteContentIndex, cut: tuple[int, ...]) -> None:
    ciphertext = body(20, 400_000)
    seal(index, ciphertext)
    ends = [0, *cut, len(ciphertext)]
    assert assembled(index, *(ciphertext[a:b] for a, b in itertools.pairwise(ends))).sealed


@pytest.mark.parametrize(
    "change",
    [
        lambda c: (c[:200_000], c[200_000:] + b"and more"),
        lambda c: (b"before" + c[:200_000], c[200_000:]),
        lambda c: (c[:200_000], c[200_001:]),
        lambda c: (c[:200_000] + b"!", c[200_000:]),
        lambda c: (c[:200_000], c[200_000:300_000] + b"!" + c[300_001:]),
        lambda c: (c[200_000:], c[:200_000]),
        lambda c: (c[:200_000],),
        lambda c: (c[:200_000], body(99, 200_000)),
    ],
    ids=["longer", "prefixed", "byte-missing", "byte-between", "byte-changed", "swapped", "half", "other-half"],
)
def test_parts_that_are_not_exactly_the_ciphertext_are_not_sealed(
    index: SqliteContentIndex, change: Callable[[bytes], tuple[bytes, ...]]
) -> None:
    ciphertext = body(20, 400_000)
    seal(index, ciphertext)
    found = assembled(index, *change(ciphertext))
    assert found.state is ContentState.MATCHED
    assert not found.sealed


def test_ciphertext_with_anything_added_is_not_sealed(index: SqliteContentIndex, scanned: Scanned) -> None:
    ciphertext = body(20, 400_000)
    seal(index, ciphertext)
    assert not scanned(ciphertext + b"!").sealed
    assert not scanned(ciphertext[:-1]).sealed


# --- seams ------------------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 390_000), st.lists(st.integers(1, RUN - 1), min_size=1, max_size=4))
def test_an_excerpt_over_the_seams_of_parts_is_found(
    tmp_path_factory: pytest.TempPathFactory, at: int, cuts: list[int]
) -> None:
    index, data = _filled(tmp_path_factory)
    run = data[at : at + RUN]
    if len(run) < RUN:
        return
    whole = body(30, 20_000) + run + body(31, 20_000)
    ends = [0, *sorted({20_000 + cut for cut in cuts}), len(whole)]
    found = assembled(index, *(whole[a:b] for a, b in itertools.pairwise(ends)))
    assert found.state is ContentState.MATCHED


def test_a_small_file_in_parts_is_found_by_its_digest(
    index: SqliteContentIndex, indexing: Indexing, files: Path
) -> None:
    protect(indexing, files / "f", b"first half, second half")
    found = assembled(index, b"first half", b", second half")
    assert found.matches[0].how is MatchHow.EXACT


# --- faults -----------------------------------------------------------------------------------------------------------


def test_a_corrupt_index_is_named_never_taken_for_empty(tmp_path: Path) -> None:
    path = tmp_path / "index.sqlite"
    path.write_bytes(b"this is no database, and long enough to be looked at" * 100)
    with pytest.raises(HaechiError, match=r"index\.corrupt"):
        SqliteContentIndex(path)


def test_a_damaged_page_is_found_when_the_index_is_opened(
    indexing: Indexing, index: SqliteContentIndex, files: Path, tmp_path: Path
) -> None:
    protect(indexing, files / "f", body(1, 2_000_000))
    index.close()
    path = tmp_path / "state" / "index.sqlite"
    data = bytearray(path.read_bytes())
    data[4096:12_288] = b"\xff" * 8192
    path.write_bytes(data)
    with pytest.raises(HaechiError, match=r"index\.corrupt"):
        SqliteContentIndex(path)


def test_a_damaged_index_is_set_aside_and_rebuilt_from_the_files(
    indexing: Indexing, index: SqliteContentIndex, sources: object, files: Path, tmp_path: Path
) -> None:
    data = body(1, 100_000)
    (files / ".haechi.yaml").write_text("tags:\n  - {files: '*', technology: SEM-01, grade: A}\n")
    (files / "f").write_bytes(data)
    index.close()
    path = tmp_path / "state" / "index.sqlite"
    path.write_bytes(b"broken" * 1000)
    fresh, aside = SqliteContentIndex.recover(path)
    assert aside is not None
    assert aside.read_bytes().startswith(b"broken")
    assert not fresh.ready
    Indexing(fresh, sources, FileReader(fresh.seed)).scan([str(files)])  # type: ignore[arg-type]
    assert fresh.ready
    assert fresh.scan().feed(data)
    fresh.close()


def test_an_index_of_another_version_is_set_aside_and_made_anew(
    indexing: Indexing, index: SqliteContentIndex, sources: object, files: Path, tmp_path: Path
) -> None:
    data = body(1, 100_000)
    (files / ".haechi.yaml").write_text("tags:\n  - {files: '*', technology: SEM-01, grade: A}\n")
    (files / "f").write_bytes(data)
    indexing.scan([str(files)])
    index.close()
    path = tmp_path / "state" / "index.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as older:
        older.execute("PRAGMA user_version=1")
    with pytest.raises(HaechiError, match=r"index\.version"):
        SqliteContentIndex(path)
    fresh, aside = SqliteContentIndex.recover(path)
    assert aside is not None
    assert not fresh.ready
    Indexing(fresh, sources, FileReader(fresh.seed)).scan([str(files)])  # type: ignore[arg-type]
    assert fresh.scan().feed(data[20_000:30_000])
    fresh.close()


def test_a_seed_of_another_index_is_corruption(index: SqliteContentIndex, tmp_path: Path) -> None:
    index.close()
    (tmp_path / "state" / "index.sqlite.seed").write_text("00" * 8)
    with pytest.raises(HaechiError, match=r"index\.corrupt"):
        SqliteContentIndex(tmp_path / "state" / "index.sqlite")


def test_a_locked_index_is_named_and_what_is_known_stays_recognised(tmp_path: Path) -> None:
    path = tmp_path / "index.sqlite"
    index, data = SqliteContentIndex(path, busy_seconds=0.05), body(1, 100_000)
    stamp, prints = _read(index, tmp_path / "f", data)
    index.observe([Observed(str(tmp_path / "f"), stamp, (TAG,), prints)])
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(HaechiError, match=r"index\.locked"):
        index.forget([str(tmp_path / "f")])
    assert index.scan().feed(data)
    other.execute("ROLLBACK")
    index.forget([str(tmp_path / "f")])
    other.close()
    index.close()


def test_a_hit_that_cannot_be_looked_up_raises_and_is_never_clean(tmp_path: Path) -> None:
    index, data = SqliteContentIndex(tmp_path / "index.sqlite"), body(1, 100_000)
    stamp, prints = _read(index, tmp_path / "f", data)
    index.observe([Observed(str(tmp_path / "f"), stamp, (TAG,), prints)])
    scan = index.scan()
    index._read_rows.connection.execute("PRAGMA query_only=1")
    index._read_rows.connection.close()
    with pytest.raises(HaechiError, match=r"index\."):
        scan.feed(data)


def _read(index: SqliteContentIndex, path: Path, data: bytes) -> tuple[object, object]:
    path.write_bytes(data)
    return FileReader(index.seed).read(str(path))
