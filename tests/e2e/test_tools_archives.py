"""Archives larger than 8 MiB, which tools upload in parts, several at once: what is in them is found all the same."""

from __future__ import annotations

import io
import random
import sys
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from tests.e2e.tools_lab import Bench, bench, found
from tests.lab import Finished

pytestmark = pytest.mark.e2e
MIB = 1 << 20
BOTO3 = "import boto3, sys; boto3.client('s3').upload_file(*sys.argv[1:])"


@pytest.fixture(scope="module")
def there() -> Iterator[Bench]:
    with bench() as made:
        file = made.lab.work / "recipe.txt"
        file.write_bytes(text(1))
        done = made.lab.haechi("tag", file, "--technology", "SEM-01", "--grade", "A")
        assert done.status == 0, done.said
        yield made


def text(seed: int) -> bytes:
    """It compresses, so that no run of it can be seen in an archive."""
    rng = random.Random(seed)
    return b"".join(b"step %d: %d K, %d mTorr\n" % (n, rng.randrange(999), rng.randrange(9999)) for n in range(12_000))


def members(inside: bytes) -> Mapping[str, bytes]:
    """Photos of 25 MiB, which do not compress, around a text."""
    photos = random.Random(9)
    return {"a.jpg": photos.randbytes(19 * MIB), "recipe.txt": inside, "z.jpg": photos.randbytes(6 * MIB)}


def tar_gz(inside: bytes) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz", compresslevel=1) as archive:
        for name, data in members(inside).items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return made.getvalue()


def zipped(inside: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, data in members(inside).items():
            archive.writestr(name, data)
    return made.getvalue()


def upload(at: Bench, tool: str, file: Path, key: str) -> Finished:
    """With what the tool does by itself: parts of 8 MiB, up to ten at once."""
    if tool == "aws":
        return at.lab.through(found("aws"), "s3", "cp", file, f"s3://{at.bucket}/{key}")
    return at.lab.through(sys.executable, "-c", BOTO3, file, at.bucket, key)


@pytest.mark.parametrize("tool", ["aws", "boto3"])
@pytest.mark.parametrize("kind", [tar_gz, zipped])
def test_an_archive_in_parts_is_read(there: Bench, tool: str, kind, tmp_path: Path) -> None:
    store = there.store.client()
    for name, inside in (("tagged", text(1)), ("harmless", text(2))):
        data, key = kind(inside), f"{tool}-{kind.__name__}-{name}"
        file = there.lab.home / key
        file.write_bytes(data)
        done = upload(there, tool, file, key)
        if name == "harmless":
            assert done.status == 0, done.said
            assert store.get_object(Bucket=there.bucket, Key=key)["Body"].read() == data
            continue
        assert done.status != 0
        assert "Haechi" in done.said or "해치" in done.said, done.said
        with pytest.raises(ClientError):
            store.head_object(Bucket=there.bucket, Key=key)
        refused = [one for one in there.lab.decisions() if one["decision"]["effect"] == "block" and key in str(one)]
        how = {match["how"] for one in refused for match in one["content"]["matches"]}
        assert how & {"exact", "partial"}, "found, not assumed"
