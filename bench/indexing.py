"""What protecting files costs, and how soon after ``haechi tag`` a refusal follows."""

from __future__ import annotations

import http.client
import os
import shutil
import ssl
import time
from pathlib import Path

from blake3 import blake3
from haechi.app.indexing import Indexing
from haechi.domain.catalogue import Catalogue, Technology
from haechi.domain.tags import Grade, Tag
from haechi.outbound.index.reading import FileReader
from haechi.outbound.index.sqlite import SqliteContentIndex
from haechi.outbound.tags.attribute import AttributeTags
from haechi.outbound.tags.folder import FolderTags
from haechi.outbound.tags.policy import PolicyTags
from haechi.outbound.tags.sources import FileTagSources

from tests.lab import Laboratory

MIB = 1 << 20
TAG = Tag("SEM-01", Grade.A)


def _indexing(folder: Path) -> tuple[SqliteContentIndex, Indexing]:
    catalogue = Catalogue([Technology("SEM-01", "", "")])
    index = SqliteContentIndex(folder / "index.sqlite")
    sources = FileTagSources(AttributeTags(catalogue), FolderTags(catalogue), PolicyTags())
    return index, Indexing(index, sources, FileReader(index.seed))


def large(folder: Path, size: int = 1 << 30) -> tuple[float, float]:
    """Bytes a second of indexing one large file, and of single-threaded BLAKE3 over the same; warm page cache."""
    path = folder / "large.bin"
    if not path.exists():
        with path.open("wb") as file:
            for _ in range(size // (8 * MIB)):
                file.write(os.urandom(8 * MIB))
    buffer = bytearray(MIB)

    def hashed() -> float:
        digest, begun = blake3(max_threads=1), time.perf_counter()
        with path.open("rb", buffering=0) as file:
            while count := file.readinto(buffer):
                digest.update(memoryview(buffer)[:count])
        digest.hexdigest()
        return size / (time.perf_counter() - begun)

    hashed()
    plain = hashed()
    place = folder / "index-large"
    place.mkdir()
    index, indexing = _indexing(place)
    begun = time.perf_counter()
    indexing.examine([str(path)], (TAG,))
    taken = time.perf_counter() - begun
    if not index.files(str(path)):
        raise RuntimeError("the large file is not in the index")
    index.close()
    shutil.rmtree(place)
    return size / taken, plain


def small(folder: Path, count: int = 20_000) -> float:
    """Files of 4 KiB a second, tagged by a folder's rule, from a first scan to the database."""
    files = folder / "small"
    if not files.exists():
        files.mkdir()
        (files / ".haechi.yaml").write_text("tags:\n  - {files: '*.bin', technology: SEM-01, grade: A}\n")
        for number in range(count):
            (files / f"{number}.bin").write_bytes(os.urandom(4096))
    place = folder / "index-small"
    place.mkdir()
    index, indexing = _indexing(place)
    begun = time.perf_counter()
    indexing.scan([str(files)])
    taken = time.perf_counter() - begun
    known = len(index.files(str(files)))
    if known < count:
        raise RuntimeError(f"only {known} of {count} files are in the index")
    index.close()
    shutil.rmtree(place)
    return count / taken


def tag_to_refusal(lab: Laboratory, host: str, rounds: int) -> list[float]:
    """Milliseconds from the end of ``haechi tag`` on a new file of 4 KiB to the refusal of its upload."""
    described = lab.asked("status")["parts"]["data_path"]
    context = ssl.create_default_context(cafile=described["bundle"])
    connection = http.client.HTTPSConnection("127.0.0.1", described["proxy_port"], context=context, timeout=20)
    connection.set_tunnel(host, 443)
    taken = []
    for number in range(rounds):
        file, body = lab.work / f"fresh-{number}.bin", os.urandom(4096)
        file.write_bytes(body)
        done = lab.haechi("tag", file, "--technology", "SEM-01", "--grade", "A")
        begun = time.perf_counter()
        if done.status:
            raise RuntimeError(done.said)
        connection.request("PUT", f"/fresh-{number}", body=body)
        answer = connection.getresponse()
        answer.read()
        if number:  # the first one shakes hands
            taken.append((time.perf_counter() - begun) * 1000)
        if answer.status != 403:
            raise RuntimeError(f"upload {number} was answered with {answer.status}")
    return sorted(taken)
