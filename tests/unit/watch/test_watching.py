"""Tags survive what people and editors do with files. Real files, real events."""

import errno
import os
import random
import shutil
import tempfile
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from haechi.app.indexing import Indexing
from haechi.app.scan_report import Later, Report, at_once
from haechi.domain.errors import HaechiError
from haechi.domain.tags import Tag
from haechi.inbound.watch import watcher
from haechi.inbound.watch.changes import Change, Changes, Kind
from haechi.inbound.watch.large import LargeFiles
from haechi.inbound.watch.watcher import Watcher
from haechi.outbound.index import SqliteContentIndex
from haechi.outbound.tags import ATTRIBUTE
from haechi.ports.protection import BodyReader, Fingerprints, Stamp
from watchdog.observers.inotify_c import InotifyConstants, InotifyEvent, InotifyFD, WatchDescriptor

from tests.unit.watch.conftest import TAG, Machine


def test_a_change_of_a_tagged_file_is_protected_and_so_is_what_it_was(machine: Machine) -> None:
    path, old = machine.tagged("f")
    new = machine.new_body()
    path.write_bytes(new)
    assert machine.recognises(new)
    assert machine.recognises(old)


def test_rename_keeps_the_tag_for_what_is_written_next(machine: Machine) -> None:
    path, _ = machine.tagged("f")
    path.rename(machine.folder / "g")
    assert machine.knows(machine.folder / "g")
    new = machine.new_body()
    (machine.folder / "g").write_bytes(new)
    assert machine.recognises(new)


def test_moving_a_folder_keeps_the_tags_in_it(machine: Machine) -> None:
    (machine.folder / "a").mkdir()
    machine.tagged("a/f")
    (machine.folder / "a").rename(machine.folder / "b")
    assert machine.knows(machine.folder / "b" / "f")
    assert machine.until(lambda: machine.index.file(str(machine.folder / "a" / "f")) is None)


def test_a_copy_is_tagged_by_its_content_and_stays_so_when_it_changes(machine: Machine) -> None:
    path, _ = machine.tagged("f")
    copy = machine.folder / "copy"
    shutil.copyfile(path, copy)  # no attributes
    assert machine.knows(copy)
    new = machine.new_body()
    copy.write_bytes(new)
    assert machine.recognises(new)


def test_a_hard_link_carries_the_tag(machine: Machine) -> None:
    path, _ = machine.tagged("f")
    os.link(path, machine.folder / "link")
    assert machine.knows(machine.folder / "link")


def test_a_symbolic_link_into_a_tagged_folder_protects_what_it_leads_to(machine: Machine, tmp_path: Path) -> None:
    (machine.folder / ".haechi.yaml").write_text("tags:\n  - {files: '*', technology: SEM-01, grade: A}\n")
    outside, data = tmp_path / "outside", machine.new_body()
    outside.write_bytes(data)
    (machine.folder / "link").symlink_to(outside)
    assert machine.recognises(data)


def test_save_by_writing_beside_and_renaming_over(machine: Machine) -> None:
    path, _ = machine.tagged("f")
    new, beside = machine.new_body(), machine.folder / ".f.tmp"
    beside.write_bytes(new)
    beside.rename(path)
    assert machine.recognises(new)


def test_save_by_renaming_away_and_writing_anew(machine: Machine) -> None:
    path, _ = machine.tagged("f")
    new = machine.new_body()
    path.rename(machine.folder / "f~")  # as vim and Emacs do for a backup
    path.write_bytes(new)
    assert machine.recognises(new)
    assert machine.knows(machine.folder / "f~")


def test_save_by_deleting_and_writing_anew(machine: Machine) -> None:
    path, _ = machine.tagged("f")
    new = machine.new_body()
    path.unlink()
    path.write_bytes(new)
    assert machine.recognises(new)


def test_losing_the_attribute_unties_nothing(machine: Machine) -> None:
    path, data = machine.folder / "f", machine.new_body()
    path.write_bytes(data)
    os.setxattr(path, ATTRIBUTE, b'{"version":1,"tags":[{"technology":"SEM-02","grade":"B"}]}')
    assert machine.recognises(data)
    os.removexattr(path, ATTRIBUTE)
    new = machine.new_body()
    path.write_bytes(new)
    assert machine.recognises(new)
    assert machine.scan(new).tags[0].technology == "SEM-02"


def test_an_attribute_alone_is_noticed(machine: Machine) -> None:
    path, data = machine.folder / "f", machine.new_body()
    path.write_bytes(data)
    os.setxattr(path, ATTRIBUTE, b'{"version":1,"tags":[{"technology":"SEM-02","grade":"B"}]}')
    assert machine.recognises(data)


def test_a_rule_that_appears_covers_what_lies_below(machine: Machine) -> None:
    (machine.folder / "deep" / "er").mkdir(parents=True)
    data = machine.new_body()
    (machine.folder / "deep" / "er" / "f.gds").write_bytes(data)
    (machine.folder / ".haechi.yaml").write_text("tags:\n  - {files: '*.gds', technology: SEM-01, grade: A}\n")
    assert machine.recognises(data)


def test_what_changed_while_nobody_watched_is_found_by_the_scan(
    indexing: Indexing, index: SqliteContentIndex, files: Path
) -> None:
    (files / "f").write_bytes(b"a" * 5000 + b"b")
    indexing.examine([str(files / "f")], (TAG,))
    (files / "f").rename(files / "g")
    (files / "h").write_bytes(b"untagged")
    report = indexing.scan([str(files)])
    assert index.file(str(files / "f")) is None
    assert index.file(str(files / "g")) is not None
    assert index.file(str(files / "h")) is None
    assert (report.files, report.tagged, report.forgotten) == (2, 1, 1)


def test_events_that_the_kernel_dropped_lead_to_a_scan_of_everything(machine: Machine) -> None:
    before = machine.watcher.scans
    InotifyFD.get_instance().handle_event(InotifyEvent(WatchDescriptor(-1), InotifyConstants.IN_Q_OVERFLOW, 0, b""))
    assert machine.until(lambda: machine.watcher.scans > before)
    assert machine.watcher.overflows >= 1


@pytest.mark.parametrize("refusal", [HaechiError("index.full", path="x"), RuntimeError("not foreseen")])
def test_nothing_but_stopping_ends_the_worker(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, refusal: Exception
) -> None:
    """Neither an index nor an operations log on a full disk, nor what nobody foresaw."""

    class Raising:
        def __getattr__(self, name: str) -> object:
            def log(*_: object, **__: object) -> None:
                raise OSError(errno.ENOSPC, "No space left on device")

            return log

    monkeypatch.setattr(watcher, "_log", Raising())
    examine, refusals = machine.indexing.examine, [refusal]

    def refuse(*arguments: Any, **more: Any) -> object:
        if refusals:
            raise refusals.pop()
        return examine(*arguments, **more)

    monkeypatch.setattr(machine.indexing, "examine", refuse)
    (machine.folder / ".haechi.yaml").write_text("tags:\n  - {files: '*', technology: SEM-01, grade: A}\n")
    data = machine.new_body()
    (machine.folder / "f").write_bytes(data)
    assert machine.recognises(data, 10)
    assert refusals == []


def test_more_changes_than_fit_lead_to_a_scan_and_are_counted() -> None:
    changes = Changes(most=10)
    for number in range(25):
        changes.put(Change(Kind.TOUCHED, f"/f{number}"))
    assert changes.dropped == 15
    assert changes.take(now=0.0, wait=0.0) == ([], True)
    assert changes.take(now=0.0, wait=0.0) == ([], False)


def test_bulk_beyond_the_bound_leads_to_a_scan_and_is_counted() -> None:
    changes = Changes(most=10)
    changes.defer(Change(Kind.TOUCHED, f"/f{number}") for number in range(25))
    assert (changes.dropped, changes.waiting) == (15, 10)
    assert changes.take(now=0.0, wait=0.0) == ([], True)


def test_a_move_that_was_seen_while_all_had_to_be_gone_through_keeps_the_tag(
    files: Path, index: SqliteContentIndex, indexing: Indexing
) -> None:
    """A scan alone finds neither the old name nor the old content."""
    old, new = files / "a.bin", files / "b.bin"
    old.write_bytes(b"a" * 20_000)
    indexing.examine([str(old)], (TAG,))
    index.doubt(HaechiError("index.scan-failed", cause="Test"))
    old.rename(new)
    new.write_bytes(b"b" * 30_000)
    watcher = Watcher(indexing, [str(files)])
    watcher.changes.put(Change(Kind.MOVED, str(old), str(new)))
    watcher.start()
    assert watcher.wait_scanned(10)
    watcher.stop()
    known = index.file(str(new))
    assert known is not None and known.tags


def test_what_was_doubted_during_a_scan_is_not_settled_by_it(
    files: Path, index: SqliteContentIndex, indexing: Indexing
) -> None:
    (files / "a.bin").write_bytes(b"a" * 20_000)

    def between() -> None:
        indexing.doubt(RuntimeError("in another thread"))

    indexing.scan([str(files)], between=between)
    assert (index.ready, indexing.behind) == (False, True)
    indexing.scan([str(files)])
    assert index.ready


def test_a_recall_that_was_broken_off_begins_anew(files: Path, index: SqliteContentIndex, indexing: Indexing) -> None:
    (files / "a.bin").write_bytes(b"a" * 20_000)
    assert index.lost
    indexing.scan([str(files)], stopped=lambda: True)
    assert index.lost
    indexing.scan([str(files)])
    assert not index.lost


def test_what_is_put_back_beyond_the_bound_leads_to_a_scan_and_is_counted() -> None:
    changes = Changes(most=10)
    for number in range(8):
        changes.put(Change(Kind.TOUCHED, f"/new{number}"))
    changes.put_back([Change(Kind.TOUCHED, f"/old{number}") for number in range(5)])
    assert changes.dropped == 3
    assert changes.take(now=0.0, wait=0.0) == ([], True)


def test_without_a_watch_for_overflows_the_roots_are_watched_all_the_same(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(*_: object) -> object:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    real = InotifyFD.add_callback

    def add(self: InotifyFD, path: bytes, *rest: object) -> object:
        return refuse() if b"haechi-watch-" in path else real(self, path, *rest)

    monkeypatch.setattr(InotifyFD, "add_callback", add)
    watcher = Watcher(machine.watcher._indexing, [str(machine.folder)])
    watcher.start()
    try:
        assert watcher.unwatched == {}
        assert watcher.status()["blind"] == "No space left on device"
        assert not list(tmp_path.glob("haechi-watch-*"))
    finally:
        watcher.stop()


def test_a_burst_of_files_is_protected_to_the_last(machine: Machine) -> None:
    (machine.folder / ".haechi.yaml").write_text("tags:\n  - {files: '*.x', technology: SEM-01, grade: A}\n")
    for number in range(600):
        (machine.folder / f"{number}.x").write_bytes(b"wafer map %d" % number)
    assert machine.until(lambda: len(machine.index.files(str(machine.folder))) == 600, 20)


def test_a_file_that_cannot_be_read_is_reported_until_it_can(
    indexing: Indexing, index: SqliteContentIndex, files: Path
) -> None:
    (files / ".haechi.yaml").write_text("tags:\n  - {files: '*', technology: SEM-01, grade: A}\n")
    (files / "f").write_bytes(b"secret")
    reading = indexing.files.reader

    class Refusing:
        def read(self, path: str) -> object:
            raise PermissionError(13, "Permission denied", path)

    indexing.files.reader = Refusing()  # type: ignore[assignment]
    report = indexing.scan([str(files)])
    assert [(file.path, file.cause) for file in report.unreadable] == [(str(files / "f"), "permission-denied")]
    assert index.unreadable()[0].tags[0].technology == "SEM-01"
    assert index.worst_tags()[0].technology == "SEM-01"
    indexing.files.reader = reading
    indexing.scan([str(files)])
    assert index.unreadable() == []


def test_a_folder_that_went_away_unseen_is_forgotten_and_files_elsewhere_are_kept_true(
    indexing: Indexing, index: SqliteContentIndex, files: Path, tmp_path: Path
) -> None:
    (files / "a").mkdir()
    (files / "a" / "f").write_bytes(b"one")
    (tmp_path / "elsewhere").write_bytes(b"two")
    indexing.examine([str(files / "a" / "f"), str(tmp_path / "elsewhere")], (TAG,))
    shutil.rmtree(files / "a")
    (tmp_path / "elsewhere").write_bytes(b"changed")
    indexing.scan([str(files)])
    assert [file.path for file in index.files()] == [str(tmp_path / "elsewhere")]
    scan = index.scan()
    scan.feed(b"changed")
    assert scan.finish().matches


def test_names_that_are_not_text_are_watched_and_hold_up_nothing(machine: Machine) -> None:
    (machine.folder / ".haechi.yaml").write_text("tags:\n  - {files: '*.gds', technology: SEM-01, grade: A}\n")
    strange, bodies = os.fsdecode("사진".encode("cp949")), [machine.new_body() for _ in range(4)]
    (machine.folder / f"{strange}.jpg").write_bytes(b"untagged")
    (machine.folder / f"{strange}.gds").write_bytes(bodies[0])
    (machine.folder / strange).mkdir()
    (machine.folder / strange / "a.gds").write_bytes(bodies[1])
    (machine.folder / f"{strange}.gds").rename(machine.folder / f"{strange}2.gds")
    (machine.folder / f"{strange}.jpg").unlink()
    (machine.folder / f"{strange}2.gds").write_bytes(bodies[2])
    (machine.folder / "plain.gds").write_bytes(bodies[3])
    assert all(machine.recognises(data) for data in bodies[1:])
    assert machine.watcher.failures == 0 and machine.index.ready


def test_a_failure_that_nobody_foresaw_ends_the_readiness_until_all_was_gone_through(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan, goes_on = machine.indexing.scan, threading.Event()
    examine = machine.indexing.examine

    def failing(paths: Iterable[str], tags: tuple[Tag, ...] = (), later: Later = at_once) -> Report:
        monkeypatch.setattr(machine.indexing, "examine", examine)
        raise RuntimeError("nobody foresaw this")

    def waiting(*args: Any, **named: Any) -> Report:
        assert goes_on.wait(10)
        return scan(*args, **named)

    monkeypatch.setattr(machine.indexing, "scan", waiting)
    monkeypatch.setattr(machine.indexing, "examine", failing)
    data = machine.new_body()
    (machine.folder / ".haechi.yaml").write_text("tags:\n  - {files: '*', technology: SEM-01, grade: A}\n")
    (machine.folder / "f").write_bytes(data)
    assert machine.until(lambda: not machine.index.ready)
    assert machine.index.problem is not None and machine.index.problem.code == "index.scan-failed"
    goes_on.set()
    assert machine.recognises(data)
    assert machine.until(lambda: machine.index.ready)


class Waiting:
    """A reader that a large file holds up."""

    def __init__(self, reader: BodyReader, goes_on: threading.Event) -> None:
        self._reader, self._goes_on = reader, goes_on
        self.began = threading.Event()

    def read(self, path: str) -> tuple[Stamp, Fingerprints]:
        read = self._reader.read(path)
        if read[1].size >= 1 << 20:
            self.began.set()
            assert self._goes_on.wait(20)
        return read


def test_a_large_file_holds_up_no_small_one_and_its_last_state_is_what_is_known(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("haechi.app.examining.LARGE_BYTES", 1 << 20)
    goes_on = threading.Event()
    machine.indexing.files.reader = reader = Waiting(machine.indexing.files.reader, goes_on)
    (machine.folder / ".haechi.yaml").write_text("tags:\n  - {files: '*.gds', technology: SEM-01, grade: A}\n")
    large, first, last = machine.folder / "large.gds", random.randbytes(1 << 20), random.randbytes(1 << 20)
    large.write_bytes(first)
    assert reader.began.wait(5)
    small = machine.new_body()
    (machine.folder / "small.gds").write_bytes(small)
    assert machine.recognises(small) and not machine.scan(first).matches
    large.write_bytes(last)  # while the first state is being read
    goes_on.set()
    assert machine.recognises(first) and machine.recognises(last)
    assert machine.watcher.status()["large_crowded"] == 0


@pytest.mark.parametrize("new", [b"small now" * 2000, None])
def test_what_became_of_a_large_file_while_it_was_read_is_what_is_noted(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, new: bytes | None
) -> None:
    monkeypatch.setattr("haechi.app.examining.LARGE_BYTES", 1 << 20)
    goes_on = threading.Event()
    machine.indexing.files.reader = reader = Waiting(machine.indexing.files.reader, goes_on)
    (machine.folder / ".haechi.yaml").write_text("tags:\n  - {files: '*.gds', technology: SEM-01, grade: A}\n")
    large, first, mark = machine.folder / "large.gds", random.randbytes(1 << 20), machine.new_body()
    large.write_bytes(first)
    assert reader.began.wait(5)
    if new is None:
        large.unlink()
    else:
        large.write_bytes(new)
    (machine.folder / "mark.gds").write_bytes(mark)
    assert machine.recognises(mark)  # all before it was handed on
    goes_on.set()
    assert machine.recognises(first)
    assert machine.until(lambda: machine.watcher.large.waiting == 0 and not machine.watcher.large.holds(str(large)))
    noted = machine.index.file(str(large))
    assert (noted.stamp.size if noted else None) == (len(new) if new else None)


def test_a_large_file_that_takes_a_tagged_name_inherits_the_tag_however_long_it_waits(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("haechi.app.examining.LARGE_BYTES", 1 << 20)
    path, _ = machine.tagged("f")
    body, beside = random.randbytes(1 << 20), machine.folder / "beside"
    beside.write_bytes(body)
    beside.rename(path)
    assert machine.recognises(body)


def test_large_files_beyond_the_queue_are_read_at_once() -> None:
    seen: list[str] = []
    queue = LargeFiles(lambda path, tags: seen.append(path), most=1)
    assert queue.put("/a", ()) and queue.put("/a", (TAG,))
    assert not queue.put("/b", ())
    assert (queue.waiting, queue.crowded, seen) == (1, 1, [])
    queue.stop()
