"""A name is bytes, and need not be text: CP949 names from Windows archives pass through every call of the index."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

import pytest
from haechi.app.indexing import Indexing
from haechi.domain.content import ContentState, Match
from haechi.domain.errors import HaechiError
from haechi.outbound.index import SqliteContentIndex
from haechi.ports.protection import BodyReader, Fingerprints, Observed, Stamp, Unreadable
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.content.conftest import TAG, body

CP949 = os.fsdecode("공정".encode("cp949"))
NAMES = st.binary(min_size=1, max_size=40).map(lambda raw: raw.translate(None, b"\0/")).filter(bool)
DIGEST = "blake3:" + "ab" * 32


def observed(path: str, inode: int = 7, digest: str = DIGEST) -> Observed:
    return Observed(path, Stamp(1, inode, 10, 2, 3), (TAG,), Fingerprints(digest, 10))


def paths(index: SqliteContentIndex, below: str = "/") -> list[str]:
    return [file.path for file in index.files(below)]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(NAMES, NAMES, NAMES)
def test_every_call_of_the_index_takes_every_name(
    index: SqliteContentIndex, above: bytes, name: bytes, other: bytes
) -> None:
    folder, moved = "/" + os.fsdecode(above), f"/moved{os.fsdecode(other)}m"
    path = f"{folder}/{os.fsdecode(name)}"
    beside = f"{folder}\udcff/{os.fsdecode(name)}"  # sorts after all that is in the folder, and is not below it
    index.observe([observed(path), observed(f"{folder}/deeper/x", 8), observed(beside, 9)])
    assert index.file(path) is not None
    assert {file.path for file in index.files_of(1, 7)} == {path}
    assert paths(index, folder) == sorted([path, f"{folder}/deeper/x"], key=os.fsencode)
    assert [file.path for file in index.files_in(folder)] == [path]
    assert index.paths_after("", 1) == [min(paths(index), key=os.fsencode)]
    index.mark_unreadable([Unreadable(path, (TAG,), "permission-denied")])
    assert [file.path for file in index.unreadable()] == [path]
    index.moved(folder, moved)
    assert set(paths(index, moved)) == {f"{moved}/{os.fsdecode(name)}", f"{moved}/deeper/x"}
    assert [file.path for file in index.unreadable()] == [f"{moved}/{os.fsdecode(name)}"]
    index.forget([moved, beside])
    assert paths(index) == [] and index.unreadable() == []


def test_a_name_that_no_file_system_gives_is_asked_for_in_vain(index: SqliteContentIndex) -> None:
    assert index.file("/a\ud800") is None
    assert index.files("/\udfff") == [] and index.files_in("/\ud800") == []


def test_what_is_shown_of_a_content_is_text(indexing: Indexing, index: SqliteContentIndex, files: Path) -> None:
    """Policies, records and refusals quote the name: it must be fit for UTF-8."""
    path = files / f"{CP949}.gds"
    path.write_bytes(body(1, 10_000))
    indexing.examine([str(path)], (TAG,))
    match = matched(index, body(1, 10_000))
    assert match.name.encode().endswith(b"\\udcb0\\udcf8\\udcc1\\udca4.gds")
    file = index.file(str(path))
    assert file is not None and json.loads(json.dumps(file.path)) == str(path)
    index.remember_sealed("blake3:" + "01" * 32, 5, CP949, (TAG,), [0, 0])


def test_a_tag_whose_words_are_no_text_is_kept(index: SqliteContentIndex) -> None:
    tag = dataclasses.replace(TAG, owner="\udcb0")
    index.observe([Observed("/f", Stamp(1, 7, 10, 2, 3), (tag,), Fingerprints(DIGEST, 10))])
    assert index.worst_tags() == (tag,)


def test_a_file_from_a_time_that_no_integer_holds_is_protected(
    indexing: Indexing, index: SqliteContentIndex, files: Path
) -> None:
    """``touch -d`` takes years that nanoseconds in 64 bits do not reach."""
    path = files / "f"
    path.write_bytes(body(1, 10_000))
    os.utime(path, ns=(0, 2**63 + 5))
    if path.stat().st_mtime_ns < 2**63:
        pytest.skip("this file system keeps no such time")
    indexing.examine([str(path)], (TAG,))
    indexing.scan([str(files)])
    assert matched(index, body(1, 10_000)).digest


def test_a_file_and_a_folder_with_such_names_are_scanned(
    indexing: Indexing, index: SqliteContentIndex, files: Path
) -> None:
    folder = files / f"folder{CP949}"
    folder.mkdir()
    (files / ".haechi.yaml").write_text("tags:\n  - {files: '*.gds', technology: SEM-01, grade: A}\n")
    for number, place in enumerate((folder / "a.gds", files / f"{CP949}.gds", files / "z.gds")):
        place.write_bytes(body(number, 9_000))
    report = indexing.scan([str(files)])
    assert index.ready and not report.unreadable
    assert all(matched(index, body(number, 9_000)) for number in range(3))
    again = indexing.scan([str(files)])
    assert again.tagged == 3 and not again.forgotten and not again.unreadable


class Breaking:
    """A reader that one file breaks."""

    def __init__(self, reader: BodyReader, name: str) -> None:
        self._reader, self._name = reader, name

    def read(self, path: str) -> tuple[Stamp, Fingerprints]:
        if path.endswith(self._name):
            raise RuntimeError(path)
        return self._reader.read(path)


@pytest.mark.parametrize("whole", [True, False])
def test_a_file_that_breaks_the_look_is_reported_and_the_others_go_on(
    indexing: Indexing, index: SqliteContentIndex, files: Path, whole: bool
) -> None:
    (files / ".haechi.yaml").write_text("tags:\n  - {files: '*.gds', technology: SEM-01, grade: A}\n")
    for name in ("a.gds", "b.gds", "c.gds"):
        (files / name).write_bytes(body(ord(name[0]), 9_000))
    indexing.files.reader = Breaking(indexing.files.reader, "b.gds")
    report = indexing.scan([str(files)]) if whole else indexing.examine([str(files)])
    assert [(file.path, file.cause) for file in report.unreadable] == [(str(files / "b.gds"), "failed-RuntimeError")]
    assert [file.path for file in index.unreadable()] == [str(files / "b.gds")]
    assert index.unreadable()[0].tags
    assert matched(index, body(ord("a"), 9_000)) and matched(index, body(ord("c"), 9_000))


def test_a_file_that_the_index_cannot_hold_is_reported_and_the_others_are_held(
    indexing: Indexing, index: SqliteContentIndex, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (files / ".haechi.yaml").write_text("tags:\n  - {files: '*.gds', technology: SEM-01, grade: A}\n")
    for name in ("a.gds", "b.gds", "c.gds"):
        (files / name).write_bytes(body(ord(name[0]), 9_000))
    observe = index.observe

    def breaking(seen: list[Observed]) -> None:
        observe(seen)
        if any(file.path.endswith("b.gds") for file in seen):
            raise OverflowError

    monkeypatch.setattr(index, "observe", breaking)
    report = indexing.scan([str(files)])
    assert [(file.path, file.cause) for file in report.unreadable] == [(str(files / "b.gds"), "failed-OverflowError")]
    assert matched(index, body(ord("a"), 9_000)) and matched(index, body(ord("c"), 9_000))


def test_what_fails_unforeseen_is_never_called_ready(
    indexing: Indexing, index: SqliteContentIndex, files: Path
) -> None:
    indexing.scan([str(files)])
    assert index.ready
    indexing.doubt(RuntimeError("x"))
    assert not index.ready and indexing.behind
    assert index.problem is not None and index.problem.code == "index.scan-failed"
    indexing.scan([str(files)])
    assert index.ready and index.problem is None


def test_a_doubt_while_all_is_gone_through_outlasts_it(index: SqliteContentIndex) -> None:
    before = index.failures
    index.doubt(HaechiError("index.scan-failed", cause="x"))
    index.mark_ready(before)
    assert not index.ready


def matched(index: SqliteContentIndex, data: bytes) -> Match:
    scan = index.scan()
    scan.feed(data)
    content = scan.finish()
    assert content.state is ContentState.MATCHED
    return content.matches[0]
