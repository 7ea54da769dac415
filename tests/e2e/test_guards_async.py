"""The guard on aiobotocore's clients, in a program with libraries of its own: aiobotocore pins another botocore."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.guard_lab import Guarded, guarded
from tests.lab.aside import PROJECT, python_with
from tests.stores import OURS

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def lab() -> Iterator[Guarded]:
    with guarded() as made:
        yield made


def test_asynchronous_clients_are_guarded_too(lab: Guarded) -> None:
    at, bucket = lab.at, lab.at.land.own_key
    program = Path(__file__).with_name("guarded_async.py")
    given = (lab.way, str(at.store.ca), str(at.lab.socket), bucket, str(at.lab.work))
    environment = at.lab.environment(OURS) | {"PYTHONPATH": os.pathsep.join(map(str, PROJECT))}
    done = subprocess.run(
        [str(python_with("aio")), str(program), *given],
        env=environment, capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    said = json.loads(done.stdout)
    assert {name for name, what in said.items() if what in ("stored", '"stored"')} == {
        *("clean", "sealed-file", "sealed-memory", "sealed-once", "sealed-parts"),
    }
    for name in ("tagged", "tagged-file", "tagged-parts"):
        assert "AccessDenied" in said[name]
        assert "Haechi refused" in said[name]
        assert at.store.digest(bucket, f"aio-{name}") is None
    for name in ("sealed-file", "sealed-memory", "sealed-once", "sealed-parts"):
        assert at.store.same(bucket, f"aio-{name}", at.big_sealed)
    assert said["at-once"] == "30"
    assert json.loads(said["mended"]) == {"sealed": True, "kms_key": ""}
    stored = at.store.client().get_object(Bucket=bucket, Key="aio-mended")["Body"].read()
    assert stored.startswith(b"age-encryption.org/v1")
    assert "haechi agent start" in said["alone"]
    assert at.store.digest(bucket, "aio-alone") is None
    assert said["read"] == "clean"
