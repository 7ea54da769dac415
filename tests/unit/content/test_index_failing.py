"""After any failure of its storage the index is not ready, mends itself, and forgets nothing that it still knows."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest
from haechi.app.indexing import Indexing
from haechi.app.owed import Owed
from haechi.domain.content import ContentState
from haechi.domain.errors import HaechiError
from haechi.inbound.watch.watcher import Watcher
from haechi.outbound.index import FileReader, SqliteContentIndex
from haechi.outbound.index.hot import Hot
from haechi.outbound.tags import FileTagSources

from tests.unit.content.conftest import TAG, body


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "index.sqlite"


def scribble(path: Path) -> None:
    for ending in ("", "-wal"):
        file = path.with_name(path.name + ending)
        with file.open("r+b") as target:
            target.write(os.urandom(file.stat().st_size))


def test_a_write_that_failed_leaves_the_index_unready_until_it_was_had_again(
    indexing: Indexing, index: SqliteContentIndex, files: Path, path: Path
) -> None:
    index._rows.connection.execute("PRAGMA busy_timeout=20")
    indexing.scan([str(files)])
    (files / "f").write_bytes(body(1, 100_000))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(HaechiError, match=r"index\.locked"):
        indexing.examine([str(files / "f")], (TAG,))
    assert not index.ready
    assert index.problem is not None
    assert indexing.owes and not indexing.behind
    with pytest.raises(HaechiError, match=r"index\.locked"):
        indexing.settle()
    assert not index.ready
    other.execute("ROLLBACK")
    other.close()
    indexing.settle()
    assert index.ready and not indexing.owes
    assert index.problem is None
    assert _state(index, body(1, 100_000)) is ContentState.MATCHED


def test_more_than_can_be_owed_means_a_scan_of_everything(
    indexing: Indexing, index: SqliteContentIndex, files: Path, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index._rows.connection.execute("PRAGMA busy_timeout=20")
    indexing.scan([str(files)])
    monkeypatch.setattr(indexing, "_owed", Owed(most=1))
    (files / "f").write_bytes(body(1, 100_000))
    (files / "g").write_bytes(body(2, 100_000))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(HaechiError, match=r"index\.locked"):
        indexing.examine([str(files / "f"), str(files / "g")], (TAG,))
    other.execute("ROLLBACK")
    other.close()
    assert indexing.behind
    indexing.settle()
    assert not index.ready
    indexing.scan([str(files)])
    assert index.ready


def test_a_failure_while_all_is_gone_through_leaves_the_index_unready(index: SqliteContentIndex) -> None:
    before = index.failures
    with pytest.raises(HaechiError), index._changing():
        raise HaechiError("index.locked", path="x")
    index.mark_ready(before)
    assert not index.ready


def test_what_memory_could_not_take_is_brought_up_before_the_index_is_ready(
    indexing: Indexing, index: SqliteContentIndex, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    indexing.scan([str(files)])
    (files / "f").write_bytes(body(1, 100_000))
    with monkeypatch.context() as broken:
        broken.setattr(Hot, "add_blocks", _full)
        with pytest.raises(HaechiError, match=r"index\.full"):
            indexing.examine([str(files / "f")], (TAG,))
    assert not index.ready
    indexing.settle()
    assert index.ready
    assert _state(index, body(1, 100_000)[:50_000]) is ContentState.MATCHED


def test_a_later_change_does_not_hide_what_memory_could_not_take(
    indexing: Indexing, index: SqliteContentIndex, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    indexing.scan([str(files)])
    (files / "f").write_bytes(body(1, 100_000))
    (files / "g").write_bytes(body(2, 100_000))
    with monkeypatch.context() as broken:
        broken.setattr(Hot, "add_blocks", _full)
        with pytest.raises(HaechiError, match=r"index\.full"):
            indexing.examine([str(files / "f")], (TAG,))
    indexing.examine([str(files / "g")], (TAG,))
    indexing.settle()
    assert index.ready
    assert _state(index, body(1, 100_000)[:50_000]) is ContentState.MATCHED


def test_the_watcher_is_ready_again_soon_after_a_write_that_failed(
    index: SqliteContentIndex, sources: FileTagSources, files: Path, path: Path
) -> None:
    """Without going through all folders again, which may take minutes."""
    index._rows.connection.execute("PRAGMA busy_timeout=20")
    watcher = Watcher(Indexing(index, sources, FileReader(index.seed)), [str(files)])
    watcher.start()
    try:
        assert watcher.wait_scanned(10)
        (files / ".haechi.yaml").write_text("tags:\n  - {files: '*', technology: SEM-01, grade: A}\n")
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        (files / "f").write_bytes(body(1, 100_000))
        for _ in range(200):
            if not index.ready:
                break
            watcher._stopping.wait(0.05)
        assert not index.ready
        other.execute("ROLLBACK")
        other.close()
        for _ in range(200):
            if index.ready:
                break
            watcher._stopping.wait(0.05)
        assert index.ready and watcher.scans == 1
        assert _state(index, body(1, 100_000)) is ContentState.MATCHED
    finally:
        watcher.stop()


def test_a_refused_release_is_no_failure_of_storage(indexing: Indexing, index: SqliteContentIndex, files: Path) -> None:
    indexing.scan([str(files)])
    with pytest.raises(HaechiError, match=r"tag\.not-protected"):
        index.release("blake3:" + "00" * 32, ())
    assert index.ready


def test_a_damaged_index_is_made_anew_under_the_running_agent(
    indexing: Indexing, index: SqliteContentIndex, files: Path, path: Path
) -> None:
    (files / ".haechi.yaml").write_text("tags:\n  - {files: '*', technology: SEM-01, grade: A}\n")
    data = [body(number, 100_000) for number in range(3)]
    for number, content in enumerate(data):
        (files / f"f{number}").write_bytes(content)
    indexing.scan([str(files)])
    last = index.hot.last_number
    under_way = index.scan()
    under_way.feed(data[0][:50_000])
    scribble(path)
    aside = index.renew()
    assert aside is not None and aside.is_file()
    assert not index.ready
    indexing.scan([str(files)])
    assert index.ready
    for content in data:
        assert _state(index, content) is ContentState.MATCHED
    assert index.with_digest(bytes.fromhex(_digest(index, files / "f0")), len(data[0])).number > last  # type: ignore[union-attr]
    under_way.feed(data[0][50_000:])
    assert under_way.finish().state is ContentState.MATCHED


def test_a_whole_index_is_taken_up_again_as_it_is(indexing: Indexing, index: SqliteContentIndex, files: Path) -> None:
    (files / "f").write_bytes(body(1, 100_000))
    indexing.scan([str(files)])
    indexing.examine([str(files / "f")], (TAG,))
    (files / "f").unlink()
    assert index.renew() is None
    assert _state(index, body(1, 100_000)) is ContentState.MATCHED


def test_the_watcher_mends_a_damaged_index_by_itself(
    index: SqliteContentIndex, sources: FileTagSources, files: Path, path: Path
) -> None:
    (files / ".haechi.yaml").write_text("tags:\n  - {files: '*', technology: SEM-01, grade: A}\n")
    (files / "f").write_bytes(body(1, 100_000))
    watcher = Watcher(Indexing(index, sources, FileReader(index.seed)), [str(files)])
    watcher.start()
    try:
        assert watcher.wait_scanned(10)
        scribble(path)
        index._read_rows.connection.execute("PRAGMA shrink_memory")  # what it remembers of the file hides the damage
        with pytest.raises(HaechiError, match=r"index\.corrupt"):
            index.files()
        for _ in range(100):
            if index.ready:
                break
            watcher._stopping.wait(0.05)
        assert index.ready
        assert list(path.parent.glob("index.sqlite.damaged-*"))
        assert _state(index, body(1, 100_000)) is ContentState.MATCHED
    finally:
        watcher.stop()


def _full(self: Hot, *arguments: object) -> None:
    raise HaechiError("index.full", path="fingerprints")


def _state(index: SqliteContentIndex, data: bytes) -> ContentState:
    scan = index.scan()
    scan.feed(data)
    return scan.finish().state


def _digest(index: SqliteContentIndex, path: Path) -> str:
    known = index.file(str(path))
    assert known is not None
    return known.digest.removeprefix("blake3:")
