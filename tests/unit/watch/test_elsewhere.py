"""Files that were tagged by hand outside the watched folders: their folders are watched too, each alone."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from haechi.app.indexing import Indexing
from haechi.domain.catalogue import Catalogue
from haechi.inbound.watch.elsewhere import TOO_MANY, Elsewhere
from haechi.inbound.watch.watcher import Watcher
from haechi.outbound.index import SqliteContentIndex
from haechi.outbound.index.excluding import excluding
from haechi.outbound.index.pending import PendingNames
from haechi.outbound.tags import FolderTags

from tests.unit.watch.conftest import TAG, Machine


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    return folder


def tagged(machine: Machine, path: Path) -> Path:
    path.write_bytes(machine.new_body())
    machine.indexing.examine([str(path)], (TAG,))
    assert machine.watcher.cover([str(path)]) == {}
    return path


def replaced(path: Path, data: bytes) -> None:
    beside = path.with_name("beside.tmp")
    beside.write_bytes(data)
    beside.rename(path)


def rewritten(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def anew(path: Path, data: bytes) -> None:
    path.unlink()
    path.write_bytes(data)


SAVES = pytest.mark.parametrize("save", [replaced, rewritten, anew])


@SAVES
def test_what_is_saved_over_a_file_tagged_outside_is_protected(
    machine: Machine, outside: Path, save: Callable[[Path, bytes], None]
) -> None:
    path, new = tagged(machine, outside / "p.bin"), machine.new_body()
    save(path, new)
    assert machine.recognises(new)


@SAVES
def test_so_it_is_after_a_restart(
    indexing: Indexing, index: SqliteContentIndex, files: Path, outside: Path, save: Callable[[Path, bytes], None]
) -> None:
    (outside / "p.bin").write_bytes(b"a" * 9_000)
    indexing.examine([str(outside / "p.bin")], (TAG,))
    watcher = Watcher(indexing, [str(files)])
    watcher.start()
    assert watcher.wait_scanned(10)
    machine = Machine(files, index, indexing, watcher)
    new = machine.new_body()
    save(outside / "p.bin", new)
    assert machine.recognises(new)
    watcher.stop()


def test_what_changed_before_its_folder_was_watched_is_looked_at(machine: Machine, outside: Path) -> None:
    path, new = outside / "p.bin", machine.new_body()
    path.write_bytes(machine.new_body())
    machine.indexing.examine([str(path)], (TAG,))
    path.write_bytes(new)
    machine.watcher.cover([str(path)])
    assert machine.recognises(new)


def test_what_lies_below_such_a_folder_is_not_gone_through(machine: Machine, outside: Path) -> None:
    path = tagged(machine, outside / "p.bin")
    (outside / "deep").mkdir()
    copy = outside / "deep" / "copy"
    shutil.copyfile(path, copy)
    new = machine.new_body()
    path.write_bytes(new)  # an event that comes after the folder's
    assert machine.recognises(new)
    assert machine.index.file(str(copy)) is None


def test_a_folder_that_is_passed_over_is_watched_for_its_tagged_file(
    index: SqliteContentIndex, indexing: Indexing, files: Path
) -> None:
    indexing.folders.exclude = excluding(["**/node_modules/**"])
    path = files / "node_modules" / "p.bin"
    path.parent.mkdir()
    path.write_bytes(b"a" * 9_000)
    indexing.examine([str(path)], (TAG,))
    path.write_bytes(b"b" * 9_000)
    indexing.scan([str(files)])
    scan = index.scan()
    scan.feed(b"b" * 9_000)
    assert scan.finish().matches
    assert list(indexing.elsewhere([str(files)])) == [str(path)]


def test_folders_beyond_the_bound_are_named_and_there_is_room_once_others_go(machine: Machine, tmp_path: Path) -> None:
    machine.watcher._elsewhere._most = 1
    paths = [tmp_path / name / "p.bin" for name in ("a", "b")]
    for path in paths:
        path.parent.mkdir()
        path.write_bytes(machine.new_body())
        machine.indexing.examine([str(path)], (TAG,))
    assert machine.watcher.cover([str(path) for path in paths]) == {str(tmp_path / "b"): TOO_MANY}
    assert machine.watcher.status()["unwatched"] == {str(tmp_path / "b"): TOO_MANY}
    shutil.rmtree(tmp_path / "a")
    assert machine.until(lambda: machine.index.file(str(paths[0])) is None)
    machine.watcher.changes.rescan()
    assert machine.until(lambda: machine.watcher.unwatched == {})


def test_a_folder_that_the_kernel_refuses_to_watch_is_named(outside: Path) -> None:
    def refuse(folder: str) -> Callable[[], None]:
        raise OSError(28, "No space left on device")

    elsewhere = Elsewhere(refuse, 10)
    assert elsewhere.cover([str(outside / "p.bin")]) == set()
    assert elsewhere.unwatched == {str(outside): os.strerror(28)}


def test_a_folder_that_was_taken_away_and_made_anew_is_watched_again(outside: Path) -> None:
    begun: list[str] = []

    def watch(folder: str) -> Callable[[], None]:
        begun.append(folder)
        return lambda: None

    elsewhere = Elsewhere(watch, 10)
    elsewhere.cover([str(outside / "p.bin")])
    elsewhere.ended(str(outside))
    assert elsewhere.keep([str(outside / "p.bin")]) == {str(outside)}
    assert begun == [str(outside)] * 2


def test_names_that_were_tagged_while_no_agent_ran_are_found_at_its_start(
    indexing: Indexing, index: SqliteContentIndex, files: Path, outside: Path, tmp_path: Path
) -> None:
    pending, path = PendingNames(tmp_path / "pending"), outside / "p\udcb0.bin"
    path.write_bytes(b"a" * 9_000)
    pending.add([str(path), str(outside / "gone")], TAG)
    replaced(path, b"b" * 9_000)  # without any attribute
    watcher = Watcher(indexing, [str(files)], pending=pending.taken)
    watcher.start()
    assert watcher.wait_scanned(10)
    watcher.stop()
    known = index.file(str(path))
    assert known is not None and known.tags[0].technology == TAG.technology
    left: list[object] = []
    pending.taken(lambda names: left.append(set(names)) or ())
    assert left == [{str(outside / "gone")}], "a disk that is not there yet, perhaps"
    pending.taken(lambda names: left.append(set(names)) or ())
    assert len(left) == 1


def test_pending_names_stay_where_they_could_not_be_taken(tmp_path: Path) -> None:
    pending = PendingNames(tmp_path / "pending")
    pending.add(["/a"], TAG)
    with (tmp_path / "pending").open("ab") as file:
        file.write(b'\n{"path": "/cut')  # a full disk
    pending.add(["/b"], TAG)

    def fail(names: object) -> None:
        raise RuntimeError("the index refuses")

    with pytest.raises(RuntimeError):
        pending.taken(fail)
    taken: list[set[str]] = []
    pending.taken(lambda names: taken.append(set(names)) or ["/b"])
    pending.add(["/c"], TAG)
    pending.taken(lambda names: taken.append(set(names)) or ())
    assert taken == [{"/a", "/b"}, {"/b", "/c"}]


def test_a_folder_that_took_the_name_of_a_watched_one_is_watched_anew(tmp_path: Path) -> None:
    outside, begun, ended = tmp_path / "data", [], []

    def watch(folder: str) -> Callable[[], None]:
        begun.append(folder)
        return lambda: ended.append(folder)

    outside.mkdir()
    elsewhere = Elsewhere(watch, 10)
    names = [str(outside / "p.bin")]
    assert elsewhere.keep(names) == {str(outside)}
    outside.rename(tmp_path / "old")
    outside.mkdir()
    assert elsewhere.keep(names) == {str(outside)}
    assert (len(begun), len(ended)) == (2, 1)


def test_a_folder_for_which_no_thread_can_be_started_is_named(tmp_path: Path) -> None:
    def watch(folder: str) -> Callable[[], None]:
        raise RuntimeError("can't start new thread")

    elsewhere = Elsewhere(watch, 10)
    assert elsewhere.cover([str(tmp_path / "p.bin")]) == set()
    assert str(tmp_path) in elsewhere.unwatched


def test_a_path_a_thousand_folders_deep_keeps_nobody_from_scanning(
    indexing: Indexing, index: SqliteContentIndex, files: Path, tmp_path: Path
) -> None:
    deep = "/".join(["d"] * 1500)
    inside, beyond = f"{files}/{deep}/p.bin", f"/elsewhere/{deep}/q.bin"
    assert indexing.outside([str(files)], [inside, beyond]) == [beyond]
    assert FolderTags(Catalogue([])).read(f"{files}/{deep}/p.bin").tags == ()
