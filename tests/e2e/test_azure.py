"""The real SDK, through the real agent, to Azurite over TLS; a stand-in answers for the management API."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobSasPermissions, BlobType, generate_blob_sas

from tests.e2e.azure_lab import KIB, World, azure, installed
from tests.stores.azurite import KEY

pytestmark = [pytest.mark.e2e, installed]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with azure() as made:
        yield made


@pytest.mark.parametrize("kind", list(BlobType))
def test_harmless_and_sealed_files_arrive_byte_for_byte(world: World, kind: BlobType) -> None:
    for name, data in (("harmless", world.harmless), ("sealed", world.sealed)):
        world.put(f"{name}-{kind.value}", data, kind)
        held = world.store.holds(f"{name}-{kind.value}")
        assert held is not None
        assert held[: len(data)] == data
        assert not held[len(data) :].strip(b"\0")


@pytest.mark.parametrize("kind", list(BlobType))
def test_a_tagged_file_is_refused_in_words_and_is_not_at_the_store(world: World, kind: BlobType) -> None:
    name = f"tagged-{kind.value}"
    with pytest.raises(HttpResponseError) as caught:
        world.put(name, world.tagged, kind)
    assert caught.value.status_code == 403
    assert "SEM-01" in str(caught.value) or "haechi" in str(caught.value).lower()
    decision = caught.value.response.headers["x-ms-request-id"]
    assert any(event["id"] == decision for event in world.lab.settled())
    held = world.store.holds(name)
    assert held is None or not held.strip(b"\0")


def test_a_small_tagged_file_in_one_request(world: World) -> None:
    with pytest.raises(HttpResponseError):
        world.put("small", world.tagged[: 48 * KIB])
    assert world.store.holds("small") is None


def test_a_sealed_file_stays_out_of_an_account_abroad(world: World) -> None:
    with pytest.raises(HttpResponseError):
        world.put("sealed", world.sealed, account="abroad1")
    assert world.store.holds("sealed", account="abroad1") is None


def test_a_block_list_is_judged_as_a_whole_after_a_restart(world: World) -> None:
    from azure.storage.blob import BlobBlock

    data = os.urandom(8 * KIB)  # neither half holds more than one block that could be recognised
    (world.lab.work / "little.bin").write_bytes(data)
    done = world.lab.haechi("tag", world.lab.work / "little.bin", "--technology", "SEM-01", "--grade", "A")
    assert done.status == 0, done.said
    blob = world.client().get_blob_client("ours", "little")
    halves = {"1": data[: 4 * KIB], "2": data[4 * KIB :]}
    for name in ("2", "1"):
        blob.stage_block(name, halves[name])
    world.lab.stop()
    world.lab.start()
    described = world.lab.status()["parts"]["data_path"]
    world.proxy, world.bundle = described["proxy_port"], Path(described["bundle"])
    with pytest.raises(HttpResponseError):
        world.client().get_blob_client("ours", "little").commit_block_list([BlobBlock("1"), BlobBlock("2")])
    assert world.store.holds("little") is None


def test_a_link_with_a_signature(world: World) -> None:
    until = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
    for name, data, status in (("link-sealed", world.sealed, 201), ("link-tagged", world.tagged, 403)):
        sas = generate_blob_sas(
            "fab1", "ours", name, account_key=KEY, permission=BlobSasPermissions(create=True, write=True), expiry=until
        )
        answer = requests.put(
            f"https://fab1.blob.core.windows.net/ours/{name}?{sas}",
            data=data,
            headers={"x-ms-blob-type": "BlockBlob"},
            proxies={"https": f"http://127.0.0.1:{world.proxy}"},
            verify=str(world.bundle),
            timeout=30,
        )
        assert answer.status_code == status, answer.text
        assert (world.store.holds(name) is not None) == (status == 201)


def test_a_container_is_not_opened_to_everyone(world: World) -> None:
    with pytest.raises(HttpResponseError):
        world.client().create_container("open", public_access="blob")
    assert "open" not in [one.name for one in world.store.client().list_containers()]


def test_check_says_what_would_happen(world: World) -> None:
    sealed = world.lab.haechi("check", world.lab.work / "recipe.bin.age", "azure://fab1/ours/x")
    plain = world.lab.haechi("check", world.lab.work / "recipe.bin", "azure://fab1/ours/x")
    assert sealed.status == 0, sealed.said
    assert plain.status != 0, plain.said


def test_ordinary_work_with_harmless_and_sealed_blobs_goes_on(world: World) -> None:
    service = world.client()
    service.create_container("more")
    for name, data in (("plain", world.harmless), ("kept", world.sealed)):
        world.put(f"work-{name}", data)
        blob = service.get_blob_client("ours", f"work-{name}")
        blob.set_blob_metadata({"made": "by-us"})
        blob.create_snapshot()
        blob.set_standard_blob_tier("Cool")
        assert blob.download_blob().readall() == data
        blob.delete_blob(delete_snapshots="include")
        assert world.store.holds(f"work-{name}") is None
