"""The guard on google-cloud-storage, before a real agent and a store: the client goes past the data path."""

from __future__ import annotations

import io
import logging
import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from google.api_core.exceptions import Forbidden
from google.cloud.storage import transfer_manager
from google.cloud.storage.exceptions import InvalidResponse
from haechi.domain.errors import HaechiError
from haechi_connectors import guard

from tests.e2e.guard_clouds import KIB, MIB, At, google, storage_client
from tests.unit.gcs.published import KEY

pytestmark = pytest.mark.e2e
CHUNK = 256 * KIB


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[At]:
    with google(tmp_path_factory.mktemp("gcs")) as made:
        yield made


def upload(client: Any, way: str, key: str, data: bytes) -> None:
    """By one of the ways that the SDK has."""
    blob = client.bucket("ours").blob(key, chunk_size=CHUNK if way == "resumable" else None)
    if way == "string":
        blob.upload_from_string(data)
    elif way == "writer":
        with blob.open("wb", chunk_size=CHUNK) as writer:
            writer.write(data)
    else:  # of an unknown size: a session, however small the file is
        blob.upload_from_file(io.BytesIO(data))


@pytest.mark.parametrize("way", ["string", "resumable", "one-piece", "writer"])
def test_tagged_bytes_are_refused_and_sealed_ones_arrive(at: At, way: str) -> None:
    client = storage_client(at)
    # A writer's pieces are raised as the SDK raises every answer to one: not yet made into an exception of its API.
    with pytest.raises(InvalidResponse if way == "writer" else Forbidden) as caught:
        upload(client, way, f"tagged-{way}", at.tagged)
    said = caught.value.response.json()["error"]["message"]
    assert "Haechi refused" in said
    assert "haechi explain" in said
    assert at.store.held("ours", f"tagged-{way}") is None
    for kind, data in (("sealed", at.sealed), ("harmless", at.harmless)):
        upload(client, way, f"{kind}-{way}", data)
        assert at.store.held("ours", f"{kind}-{way}") == data


def test_what_was_decided_is_on_record_and_names_the_program(at: At) -> None:
    storage_client(at).bucket("ours").blob("recorded").upload_from_string(b"clean")
    made = at.decided("recorded")
    assert made["connection"]["way"] == "guard"
    assert made["decision"]["effect"] == "allow"
    assert made["actor"]["pid"] == os.getpid()


def test_files_by_name(at: At) -> None:
    client = storage_client(at)
    with pytest.raises(Forbidden):
        client.bucket("ours").blob("named").upload_from_filename(at.lab.work / "recipe.bin")
    client.bucket("ours").blob("named").upload_from_filename(at.lab.work / "recipe.bin.age")
    assert at.store.held("ours", "named") == at.sealed


def test_reading_is_not_asked_about(at: At) -> None:
    client = storage_client(at)
    client.bucket("ours").blob("read").upload_from_string(b"clean")
    before = len(at.lab.settled())
    assert client.bucket("ours").blob("read").download_as_bytes() == b"clean"
    assert [one.name for one in client.list_blobs("ours", prefix="read")] == ["read"]
    assert len(at.lab.settled()) == before


def test_a_change_of_access_is_judged(at: At) -> None:
    client = storage_client(at)
    client.bucket("ours").blob("opened").upload_from_string(at.sealed)
    with pytest.raises(Forbidden, match="Haechi refused"):
        client.bucket("ours").blob("opened").make_public()


def test_threads_share_one_client(at: At) -> None:
    client = storage_client(at)
    bodies = [os.urandom(20_000) for _ in range(24)]

    def put(number: int) -> bool:
        blob = client.bucket("ours").blob(f"thread-{number}")
        try:
            blob.upload_from_string(at.tagged if number % 5 == 4 else bodies[number])
        except Forbidden:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(put, range(24))) == 20
    assert at.store.held("ours", "thread-0") == bodies[0]
    assert at.store.held("ours", "thread-4") is None


def test_forked_workers_ask_over_connections_of_their_own(at: At) -> None:
    parent = storage_client(at)
    parent.bucket("ours").blob("parent").upload_from_string(b"before")
    context = multiprocessing.get_context("fork")
    told = context.Queue()

    def work(number: int) -> None:
        client = storage_client(at)
        for name, data in (("clean", b"clean"), ("tagged", at.tagged)):
            try:
                client.bucket("ours").blob(f"fork-{number}-{name}").upload_from_string(data)
                told.put((number, name, "stored"))
            except Forbidden as error:
                told.put((number, name, error.message))

    workers = [context.Process(target=work, args=(number,)) for number in range(3)]
    for worker in workers:
        worker.start()
    answers = [told.get(timeout=60) for _ in range(6)]
    for worker in workers:
        worker.join(30)
    assert all(("stored" in said) is (name == "clean") for _, name, said in answers), answers
    assert {at.decided(f"fork-{n}-tagged")["actor"]["pid"] for n in range(3)} == {one.pid for one in workers}


def test_many_files_by_threads_and_never_by_processes_that_nobody_guards(at: At) -> None:
    client = storage_client(at)
    pairs = [
        (str(at.lab.work / name), client.bucket("ours").blob(f"many-{name}"))
        for name in ("recipe.bin", "recipe.bin.age")
    ]
    outcomes = transfer_manager.upload_many(pairs, worker_type=transfer_manager.THREAD)
    assert isinstance(outcomes[0], Forbidden)
    assert outcomes[1] is None
    with pytest.raises(HaechiError) as caught:
        transfer_manager.upload_many(pairs, worker_type=transfer_manager.PROCESS)
    assert caught.value.code == "guard.not-carried"
    assert at.store.held("ours", "many-recipe.bin") is None


def test_what_passes_the_guard_is_judged_again(at: At) -> None:
    client = storage_client(at, through=True)
    upload(client, "resumable", "twice", at.sealed)
    assert at.store.held("ours", "twice") == at.sealed
    ways = [one["connection"]["way"] for one in at.lab.settled() if "twice" in repr(one["destination"])]
    assert ways.count("guard") == len(ways) - ways.count("guard") > 0


@pytest.mark.parametrize("way", ["string", "resumable", "file"])
def test_a_tagged_body_arrives_sealed(at: At, way: str, caplog: pytest.LogCaptureFixture) -> None:
    client = storage_client(at, comply=True)
    with caplog.at_level(logging.WARNING, "haechi.guard"):
        if way == "file":
            client.bucket("ours").blob("mended-file").upload_from_filename(at.lab.work / "recipe.bin")
        else:
            upload(client, way, f"mended-{way}", at.tagged)
    assert f"/ours/mended-{way}" in caplog.text
    assert at.unsealed(at.store.held("ours", f"mended-{way}")) == at.tagged
    assert at.decided(f"mended-{way}")["content"]["sealed"] is True


@pytest.mark.parametrize("way", ["string", "resumable"])
def test_the_institutions_key_is_named_where_the_bucket_has_none(
    at: At, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = storage_client(at, comply=True)
    with caplog.at_level(logging.WARNING, "haechi.guard"):
        blob = client.bucket("plain").blob(f"keyed-{way}")
        if way == "string":
            blob.upload_from_string(at.tagged)
        else:
            blob.upload_from_file(io.BytesIO(at.tagged))
    assert KEY in caplog.text
    assert at.unsealed(at.store.held("plain", f"keyed-{way}")) == at.tagged
    assert at.decided(f"keyed-{way}")["input"]["request"]["encryption"]["key_id"] == KEY


def test_what_is_compliant_stays_as_it_is(at: At, caplog: pytest.LogCaptureFixture) -> None:
    client = storage_client(at, comply=True)
    for key, data in (("as-it-is", at.harmless), ("sealed-before", at.sealed)):
        body = io.BytesIO(data)
        body.read()
        client.bucket("ours").blob(key).upload_from_file(body, rewind=True, size=len(data))
        assert at.store.held("ours", key) == data
    assert caplog.text == ""


def test_a_guard_put_on_anew_takes_the_place_of_the_old_one(at: At) -> None:
    client = storage_client(at, comply=True)
    guard(client, agent=at.lab.socket)
    with pytest.raises(Forbidden):
        client.bucket("ours").blob("anew").upload_from_string(at.tagged)
    client.bucket("ours").blob("newer").upload_from_string(b"once")
    assert len([one for one in at.lab.settled() if "newer" in repr(one["destination"])]) == 1


def test_without_an_agent_nothing_that_carries_goes(at: At) -> None:
    storage_client(at).bucket("ours").blob("before").upload_from_string(b"clean")
    alone = storage_client(at, agent=at.lab.folder / "none")
    for data in (b"small", os.urandom(9 * MIB)):
        with pytest.raises(Forbidden, match="haechi agent start"):
            alone.bucket("ours").blob("alone").upload_from_string(data)
    assert at.store.held("ours", "alone") is None
    assert alone.bucket("ours").blob("before").download_as_bytes() == b"clean"
