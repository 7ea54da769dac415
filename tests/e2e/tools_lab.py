"""A running agent with a store, an engineer's tagged and untagged file, and presigned places to put them."""

from __future__ import annotations

import os
import random
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from botocore.config import Config

from tests.lab import Laboratory
from tests.stores import MotoStore, sdk_client
from tests.stores.landscape import Landscape, build_landscape
from tests.stores.moto import OURS

ALWAYS = ("aws", "curl", "git")
"""`make deps` installs them."""
IN_CI = ("node", "java", "javac", "rclone", "chromium", "certutil")
"""As do the tests' packages, where that may be: tools/packages.txt."""
HOST = "s3.ap-northeast-2.amazonaws.com"


@dataclass(frozen=True)
class Bench:
    lab: Laboratory
    store: MotoStore
    land: Landscape
    tagged: Path
    plain: Path

    @property
    def bucket(self) -> str:
        return self.land.own_key

    def presigned(self, key: str) -> str:
        """A URL that lets anybody put the object: what a program without credentials is given."""
        client = sdk_client(
            "s3",
            region_name="ap-northeast-2",
            endpoint_url=f"https://{HOST}",
            aws_access_key_id=OURS.access_key,
            aws_secret_access_key=OURS.secret_key,
            config=Config(signature_version="s3v4", s3={"addressing_style": "virtual"}),
        )
        return str(client.generate_presigned_url("put_object", Params={"Bucket": self.bucket, "Key": key}))


@contextmanager
def bench(more: str = "") -> Iterator[Bench]:
    """Start all of it; ``more`` is appended to the settings."""
    with MotoStore() as store, Laboratory(store=store, more=more) as lab:
        land = build_landscape(store)
        lab.institution.publish(accounts=[OURS.id], keys=[land.seoul_key])
        lab.configure()
        tagged, plain = lab.work / "recipe.bin", lab.work / "notes.bin"
        tagged.write_bytes(random.Random(7).randbytes(300_000))
        plain.write_bytes(random.Random(8).randbytes(200_000))
        lab.start()
        done = lab.haechi("tag", tagged, "--technology", "SEM-01", "--grade", "A")
        assert done.status == 0, done.said
        yield Bench(lab, store, land, tagged, plain)


def found(tool: str) -> str:
    """Where a tool is. A missing one skips the test by its name; in CI, one that CI must have fails it."""
    search = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    place = shutil.which(tool, path=search)
    if place is None and (tool in ALWAYS or (os.environ.get("CI") and tool in IN_CI)):
        pytest.fail(f"{tool} is not installed; these tests prove nothing about it without it")
    if place is None:
        pytest.skip(f"{tool} is not installed on this machine: its variables are tested in tests/unit/envoy alone")
    return place
