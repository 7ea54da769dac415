"""What an index that was lost alone knew comes back from the audit."""

from __future__ import annotations

import datetime as dt
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from haechi.app.indexing import Indexing
from haechi.app.recalling import Recalled, recalled
from haechi.app.recording import tag_event
from haechi.domain.content import Content, ContentState, MatchHow
from haechi.domain.tags import Grade, Tag
from haechi.outbound.audit.encoding import encoded
from haechi.outbound.index import FileReader, SqliteContentIndex
from haechi.outbound.index.writing import read_tags
from haechi.outbound.tags import FileTagSources

from tests.unit.content.conftest import TAG, body

NOW = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
Events = list[dict[str, Any]]


def recall(events: Events) -> Recalled:
    return recalled(json.loads(json.dumps(events)), lambda entries: read_tags(json.dumps(entries)))


@pytest.fixture
def events() -> Events:
    """The audit."""
    return []


@pytest.fixture
def indexing(index: SqliteContentIndex, sources: FileTagSources, events: Events) -> Indexing:
    return Indexing(index, sources, FileReader(index.seed), recall=lambda: recall(events))


@pytest.fixture
def tagged(index: SqliteContentIndex, indexing: Indexing, files: Path, events: Events) -> Callable[..., Path]:
    """Tag a file by hand: neither attribute nor rule says it."""

    def tag(name: str, data: bytes, *tags: Tag) -> Path:
        path = files / name
        path.write_bytes(data)
        indexing.examine([str(path)], tags or (TAG,))
        file = index.file(str(path))
        assert file is not None
        events.append(dict(tag_event([file], "hd-1", NOW, "kim")))
        return path

    return tag


def lose(index: SqliteContentIndex, indexing: Indexing, files: Path) -> None:
    """The file is damaged; the agent makes it anew and goes through all folders."""
    path = index._path
    index.close()
    path.write_bytes(b"no database" * 1000)
    path.with_name(path.name + "-wal").unlink(missing_ok=True)
    assert index.renew() is not None
    indexing.scan([str(files)])
    assert index.ready and not index.lost


Scanned = Callable[[bytes], Content]


def test_a_tag_by_hand_comes_back(index, indexing, files, tagged, scanned: Scanned) -> None:
    tagged("f", body(1, 50_000))
    lose(index, indexing, files)
    assert scanned(b"x" + body(1, 50_000)[:20_000]).state is ContentState.MATCHED


def test_the_content_comes_back_though_its_file_is_gone(index, indexing, files, tagged, scanned: Scanned) -> None:
    tagged("f", body(1, 50_000)).unlink()
    lose(index, indexing, files)
    assert scanned(body(1, 50_000)).matches[0].how is MatchHow.EXACT
    (files / "copy").write_bytes(body(1, 50_000))
    indexing.examine([str(files / "copy")])
    assert scanned(b"x" + body(1, 50_000)[:20_000]).state is ContentState.MATCHED, "a copy gives the blocks back"


def test_a_name_that_is_not_text_keeps_its_tags(index, indexing, files, tagged, scanned: Scanned, events) -> None:
    tagged(os.fsdecode("공정".encode("cp949")), body(1, 50_000)).write_bytes(body(2, 50_000))
    events[:] = [json.loads(encoded(event)) for event in events]  # as the audit spells it
    lose(index, indexing, files)
    assert scanned(body(2, 50_000)).state is ContentState.MATCHED


def test_the_name_keeps_its_tags_though_its_content_changed(index, indexing, files, tagged, scanned: Scanned) -> None:
    tagged("f", body(1, 50_000)).write_bytes(body(2, 50_000))
    lose(index, indexing, files)
    assert scanned(body(2, 50_000)).state is ContentState.MATCHED


def test_what_was_released_stays_released(index, indexing, files, tagged, scanned: Scanned, events: Events) -> None:
    path = tagged("f", body(1, 50_000))
    tagged("g", body(2, 50_000), Tag("SEM-01", Grade.A))
    digest, other = events[0]["files"][0]["digest"], events[1]["files"][0]["digest"]
    events.append({"kind": "release", "digest": digest, "path": str(path), "after": []})
    lower = [Tag("SEM-01", Grade.C).as_json()]
    events.append({"kind": "release", "digest": other, "path": str(files / "g"), "after": lower})
    lose(index, indexing, files)
    assert scanned(body(1, 50_000)).state is ContentState.CLEAN
    assert scanned(body(2, 50_000)).tags[0].grade is Grade.C


def test_sealed_ciphertext_is_known_as_such_again(index, indexing, files, scanned: Scanned, events: Events) -> None:
    prints = index.fingerprinting()
    prints.feed(body(3, 50_000))
    digest, size, chunks = prints.finish()
    index.remember_sealed(digest, size, "f.age", (TAG,), chunks)
    events.append({"kind": "sealed", "sealed": digest, "size": size, "name": "f.age", "tags": [TAG.as_json()]})
    lose(index, indexing, files)
    assert scanned(body(3, 50_000)).sealed


def test_a_record_that_is_not_understood_hides_no_other(events: Events) -> None:
    good = {"path": "/f", "digest": "blake3:00", "size": 1, "tags": [TAG.as_json()]}
    found = recall([{"kind": "tag"}, {"kind": "tag", "files": [good]}, {"kind": "release", "digest": 3}])
    assert list(found.contents) == ["blake3:00"] and found.skipped == 2


def test_what_is_restored_once_is_not_asked_for_again(index, indexing, files, tagged, events: Events) -> None:
    indexing.scan([str(files)])
    assert not index.lost
    index.renew()
    assert not index.lost, "it is whole"
