"""A stamp is known only where nothing could have been written since without changing it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from haechi.app.indexing import Indexing
from haechi.app.owed import Owed
from haechi.domain.content import Content, ContentState
from haechi.outbound.index import FileReader, SqliteContentIndex, stamp_of
from haechi.outbound.tags import FileTagSources
from haechi.ports.protection import Fingerprints, Stamp

from tests.unit.content.conftest import TAG, body

SECOND = 1_000_000_000


class WrittenMeanwhile(FileReader):
    """Somebody saves in place while each of the first ``times`` readings is under way."""

    def __init__(self, seed: int, path: Path, times: int) -> None:
        super().__init__(seed, now=lambda: 1 << 62)  # every stamp is old: only the change itself can tell
        self._path, self._left, self.contents = path, times, [body(50 + number, 40_000) for number in range(times)]
        self.readings = 0

    def _small(self, file: int, size: int) -> Fingerprints:
        read = super()._small(file, size)
        self.readings += 1
        if self._left:
            status = os.fstat(file)
            self._left -= 1
            with self._path.open("r+b") as target:
                target.write(self.contents[len(self.contents) - self._left - 1])
            os.utime(self._path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
        return read


def _restless(
    index: SqliteContentIndex, sources: FileTagSources, path: Path, times: int
) -> tuple[Indexing, WrittenMeanwhile]:
    path.write_bytes(body(1, 40_000))
    reader = WrittenMeanwhile(index.seed, path, times)
    return Indexing(index, sources, reader), reader


def test_the_event_of_the_last_write_to_a_file_that_changed_under_every_reading_has_it_read_again(
    index: SqliteContentIndex, sources: FileTagSources, files: Path, scanned: Callable[[bytes], Content]
) -> None:
    indexing, reader = _restless(index, sources, files / "saved", times=3)
    indexing.examine([str(files / "saved")], (TAG,))
    assert reader.readings == 3
    indexing.examine([str(files / "saved")])
    assert scanned(reader.contents[-1]).state is ContentState.MATCHED


def test_a_file_that_changed_under_every_reading_is_owed_without_a_further_event(
    index: SqliteContentIndex, sources: FileTagSources, files: Path, scanned: Callable[[bytes], Content]
) -> None:
    indexing, reader = _restless(index, sources, files / "saved", times=7)
    indexing.examine([str(files / "saved")], (TAG,))
    assert indexing.owes
    indexing.settle()
    assert indexing.owes, "it changed under these readings too"
    indexing.settle()
    assert not indexing.owes
    assert scanned(reader.contents[-1]).state is ContentState.MATCHED


def test_a_file_that_never_rests_does_not_keep_the_index_from_being_ready(
    index: SqliteContentIndex, sources: FileTagSources, files: Path
) -> None:
    (files / ".haechi.yaml").write_text("tags:\n  - {files: 'saved', technology: SEM-01, grade: A}\n")
    indexing, reader = _restless(index, sources, files / "saved", times=100)
    indexing.scan([str(files)])
    assert index.ready and indexing.owes and not indexing.behind
    assert reader.readings == 6, "once as it was found and once more as owed"


def test_an_untagged_file_that_may_be_a_copy_is_owed_too(
    index: SqliteContentIndex, sources: FileTagSources, files: Path, scanned: Callable[[bytes], Content]
) -> None:
    (files / "plain").write_bytes(body(52, 40_000))
    Indexing(index, sources, FileReader(index.seed)).examine([str(files / "plain")], (TAG,))
    indexing, _ = _restless(index, sources, files / "copy", times=3)  # its last content is the protected one
    indexing.examine([str(files / "copy")])
    assert indexing.owes
    indexing.settle()
    assert index.file(str(files / "copy")) is not None


@pytest.mark.parametrize(
    ("ctime", "after", "known"),
    [
        (5 * SECOND + 1, 0, False),  # written in the same tick of the clock as it was read
        (5 * SECOND + 1, 5_000_000, False),  # perhaps still the same one
        (5 * SECOND + 1, 50_000_000, True),
        (5 * SECOND + 1, -SECOND, False),  # the store's clock is ahead
        (5 * SECOND, 50_000_000, False),  # this store may count no less than seconds
        (5 * SECOND, 3 * SECOND, True),
    ],
)
def test_a_stamp_that_a_further_write_could_leave_as_it_is_is_not_known(
    index: SqliteContentIndex, files: Path, monkeypatch: pytest.MonkeyPatch, ctime: int, after: int, known: bool
) -> None:
    path, real = files / "f", os.fstat
    path.write_bytes(body(1, 1000))

    def fstat(file: int) -> os.stat_result:
        status = real(file)
        named = {name: getattr(status, name) for name in dir(status) if name.startswith("st_")}
        return os.stat_result(tuple(status), {**named, "st_ctime_ns": ctime})

    monkeypatch.setattr("haechi.outbound.index.reading.os.fstat", fstat)
    stamp, read = FileReader(index.seed, now=lambda: ctime + after).read(str(path))
    assert not read.torn
    with path.open("rb") as file:
        assert (stamp == stamp_of(fstat(file.fileno()))) is known


def test_a_rewrite_within_the_tick_of_the_reading_is_found_by_the_next_look(
    index: SqliteContentIndex, sources: FileTagSources, files: Path, scanned: Callable[[bytes], Content]
) -> None:
    """The same size, the time of the last change set back, and a clock that did not move on: the stamps are equal."""
    path = files / "f"
    path.write_bytes(body(1, 40_000))
    written = path.stat()
    frozen = stamp_of(written)
    indexing = Indexing(index, sources, FileReader(index.seed, now=lambda: written.st_ctime_ns))
    indexing.examine([str(path)], (TAG,))
    kept = index.file(str(path))
    assert kept is not None and kept.stamp != frozen, "what is kept equals no stamp that the file can have"
    with path.open("r+b") as file:
        file.write(body(2, 40_000))
    os.utime(path, ns=(written.st_atime_ns, written.st_mtime_ns))
    indexing.examine([str(path)])
    assert scanned(body(2, 40_000)).state is ContentState.MATCHED


def test_what_is_owed_anew_while_it_is_looked_at_stays_owed() -> None:
    owed = Owed()
    owed.add(["/a", "/b"], ())
    (first, _) = owed.due()
    owed.add(["/a"], ())
    owed.paid(first)
    assert [due.path for due in owed.due()] == ["/b", "/a"]


def test_an_unsettled_stamp_equals_none_that_a_file_has() -> None:
    stamp = Stamp(1, 2, 3, 4, 5)
    assert stamp.unsettled() != stamp
    assert (stamp.unsettled().size, stamp.unsettled().mtime_ns) == (3, 4), "by these a name is known to be the same"
