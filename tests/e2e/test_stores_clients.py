"""The stores take what the real clients send, unjudged: what a later test finds missing was lost on the way."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stores import MotoStore, TestStore, VersityStore

pytestmark = pytest.mark.e2e
BUCKET = "client-box"


@pytest.fixture(scope="module", params=[MotoStore, VersityStore])
def store(request: pytest.FixtureRequest) -> Iterator[TestStore]:
    with request.param() as running:
        where = {"LocationConstraint": running.region}
        running.client().create_bucket(Bucket=BUCKET, CreateBucketConfiguration=where)
        yield running


@pytest.mark.parametrize("size", [0, 4096, 20 << 20], ids=["empty", "small", "multipart"])
def test_the_aws_cli_stores_the_very_bytes(store: TestStore, tmp_path: Path, size: int) -> None:
    file = tmp_path / "content"
    file.write_bytes(os.urandom(size))
    command = [str(Path(sys.executable).parent / "aws"), "s3", "cp", str(file), f"s3://{BUCKET}/cli/{size}"]
    environment = {
        **os.environ,
        **store.account.environment(),
        "AWS_CA_BUNDLE": str(store.ca),
        "AWS_DEFAULT_REGION": store.region,
    }
    done = subprocess.run(
        [*command, "--endpoint-url", store.endpoint],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert store.same(BUCKET, f"cli/{size}", file)
    assert store.uploads(BUCKET) == []


def test_boto3_stores_the_very_bytes(store: TestStore) -> None:
    body = os.urandom(100_000)
    store.client().put_object(Bucket=BUCKET, Key="boto3", Body=body)
    assert store.same(BUCKET, "boto3", body)
    assert not store.same(BUCKET, "boto3", body + b"x")
    assert "boto3" in store.objects(BUCKET)


def test_what_was_never_stored_is_not_there(store: TestStore) -> None:
    assert store.digest(BUCKET, "never") is None
    assert not store.same(BUCKET, "never", b"")
