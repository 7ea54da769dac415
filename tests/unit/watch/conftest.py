"""The fixtures of the content tests, and a watcher over a folder."""

import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from haechi.app.indexing import Indexing
from haechi.domain.content import Content
from haechi.inbound.watch.watcher import Watcher
from haechi.outbound.index import SqliteContentIndex

from tests.unit.content.conftest import TAG, body, files, index, indexing, scanned, sources

__all__ = ["TAG", "body", "files", "index", "indexing", "scanned", "sources"]


class Machine:
    """A watched folder, and what an upload of some bytes would be recognised as."""

    def __init__(self, folder: Path, index: SqliteContentIndex, indexing: Indexing, watcher: Watcher) -> None:
        self.folder = folder
        self.index = index
        self.indexing = indexing
        self.watcher = watcher

    def new_body(self) -> bytes:
        return random.randbytes(20_000)

    def recognises(self, data: bytes, seconds: float = 5.0) -> bool:
        return self.until(lambda: bool(self.scan(data).matches), seconds)

    def scan(self, data: bytes) -> Content:
        stream = self.index.scan()
        stream.feed(data)
        return stream.finish()

    def knows(self, path: Path, seconds: float = 5.0) -> bool:
        return self.until(lambda: self.index.file(str(path)) is not None, seconds)

    def until(self, condition: Callable[[], bool], seconds: float = 5.0) -> bool:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if condition():
                return True
            time.sleep(0.01)
        return False

    def tagged(self, name: str) -> tuple[Path, bytes]:
        path, data = self.folder / name, self.new_body()
        path.write_bytes(data)
        self.indexing.examine([str(path)], (TAG,))
        return path, data


@pytest.fixture
def machine(files: Path, index: SqliteContentIndex, indexing: Indexing) -> Iterator[Machine]:
    watcher = Watcher(indexing, [str(files)])
    watcher.start()
    assert watcher.wait_scanned(10)
    yield Machine(files, index, indexing, watcher)
    watcher.stop()
