"""An index in a folder of its own, and short ways to fill and ask it."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from haechi.app.indexing import Indexing
from haechi.domain.content import Content
from haechi.domain.tags import Grade, Tag
from haechi.outbound.index import FileReader, SqliteContentIndex
from haechi.outbound.tags import AttributeTags, FileTagSources, FolderTags, PolicyTags, load_catalogue
from haechi.outbound.tags.catalogue import shipped

TAG = Tag("SEM-01", Grade.A)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[SqliteContentIndex]:
    made = SqliteContentIndex(tmp_path / "state" / "index.sqlite")
    yield made
    made.close()


@pytest.fixture
def sources() -> FileTagSources:
    catalogue = load_catalogue(shipped())
    return FileTagSources(AttributeTags(catalogue), FolderTags(catalogue), PolicyTags())


@pytest.fixture
def indexing(index: SqliteContentIndex, sources: FileTagSources) -> Indexing:
    return Indexing(index, sources, FileReader(index.seed))


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    return folder


@pytest.fixture
def scanned(index: SqliteContentIndex) -> Callable[[bytes], Content]:
    def scan(data: bytes) -> Content:
        stream = index.scan()
        stream.feed(data)
        return stream.finish()

    return scan


def body(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)
