"""The guard on azure-storage-blob, before a real agent and Azurite: the clients go past the data path."""

from __future__ import annotations

import io
import logging
import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobClient, BlobServiceClient, BlobType, ContainerClient
from haechi_connectors import guard

from tests.e2e.guard_clouds import KIB, MIB, At, azure, azure_settings
from tests.stores.azurite import PROGRAM

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not PROGRAM.exists(), reason="Azurite is not installed: make test, or tools/node-tools.sh"),
]


@pytest.fixture(scope="module")
def at() -> Iterator[At]:
    with azure() as made:
        yield made


def service(at: At, *, comply: bool = False, agent: Any = None, **more: Any) -> BlobServiceClient:
    return guard(BlobServiceClient(**azure_settings(at, **more)), comply=comply, agent=agent or at.lab.socket)


def refused(call: Any, *said: Any, **named: Any) -> str:
    """The message of a refusal in the SDK's own form; anything else fails."""
    with pytest.raises(HttpResponseError) as caught:
        call(*said, **named)
    assert caught.value.status_code == 403
    assert getattr(caught.value.error_code, "value", caught.value.error_code) == "InsufficientAccountPermissions"
    assert "Haechi refused" in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("kind", list(BlobType))
def test_tagged_bytes_are_refused_and_sealed_ones_arrive(at: At, kind: BlobType) -> None:
    client = service(at)
    fill = bytes(-len(at.sealed) % 512) if kind is BlobType.PAGEBLOB else b""
    tagged = at.tagged[: 4 * 65536]
    name = f"kind-{kind.value}"
    message = refused(client.get_blob_client("ours", name).upload_blob, tagged, blob_type=kind)
    assert "haechi explain" in message
    held = at.store.holds(name)
    assert held is None or not held.strip(b"\0")
    client.get_blob_client("ours", name).upload_blob(at.sealed + fill, blob_type=kind, overwrite=True)
    assert at.store.holds(name) == at.sealed + fill


@pytest.mark.parametrize("form", ["bytes", "memory", "file", "pieces", "text"])
def test_bodies_of_every_form_in_one_request(at: At, form: str) -> None:
    client = service(at, max_single_put_size=MIB)

    def body(data: bytes) -> Any:
        (at.lab.work / "body").write_bytes(data)
        forms = {
            "bytes": lambda: data,
            "memory": lambda: io.BytesIO(data),
            "file": (at.lab.work / "body").open("rb").__enter__,
            "pieces": lambda: iter([data[:1000], data[1000:]]),
            "text": lambda: "깨끗한 글",
        }
        return forms[form]()

    blob = client.get_blob_client("ours", f"form-{form}")
    if form != "text":
        refused(blob.upload_blob, body(at.tagged), length=len(at.tagged))
        assert at.store.holds(f"form-{form}") is None
        blob.upload_blob(body(at.sealed), length=len(at.sealed))
        assert at.store.holds(f"form-{form}") == at.sealed
    else:
        blob.upload_blob(body(b""))
        assert at.store.holds("form-text") == "깨끗한 글".encode()


def test_a_stream_that_can_be_read_once(at: At) -> None:
    client = service(at)

    class Once(io.RawIOBase):
        def __init__(self, data: bytes) -> None:
            self._source = io.BytesIO(data)

        def readable(self) -> bool:
            return True

        def read(self, size: int = -1) -> bytes:
            return self._source.read(size)

    blob = client.get_blob_client("ours", "once")
    refused(blob.stage_block, "1", Once(at.tagged), length=len(at.tagged))
    blob.stage_block("1", Once(at.sealed), length=len(at.sealed))
    blob.commit_block_list(["1"])
    assert at.store.holds("once") == at.sealed


def test_what_was_decided_is_on_record_and_names_the_program(at: At) -> None:
    service(at).get_blob_client("ours", "recorded").upload_blob(b"clean")
    made = at.decided("recorded")
    assert made["connection"]["way"] == "guard"
    assert made["decision"]["effect"] == "allow"
    assert made["actor"]["pid"] == os.getpid()


def test_clients_that_were_made_before_and_after_are_guarded_too(at: At) -> None:
    bare = BlobServiceClient(**azure_settings(at))
    before = bare.get_container_client("ours")
    elder = before.get_blob_client("family-elder")
    guard(bare, agent=at.lab.socket)
    for made in (before, bare.get_container_client("ours")):
        made.get_blob_client("family-any").exists()  # links the pipeline anew
        refused(made.upload_blob, "family", at.tagged)
        refused(made.get_blob_client("family").upload_blob, at.tagged)
    refused(elder.upload_blob, at.tagged)
    refused(bare.get_blob_client("ours", "family").upload_blob, at.tagged)
    refused(BlobServiceClient.create_container, bare, "opened", public_access="blob")


@pytest.mark.parametrize("kind", [BlobClient, ContainerClient])
def test_clients_that_are_made_directly(at: At, kind: Any) -> None:
    more = {"container_name": "ours"} | ({"blob_name": "direct"} if kind is BlobClient else {})
    client = kind(**azure_settings(at), **more)
    assert guard(client, agent=at.lab.socket) is client
    blob = client if kind is BlobClient else client.get_blob_client("direct")
    refused(blob.upload_blob, at.tagged)
    blob.upload_blob(at.sealed, overwrite=True)
    assert at.store.holds("direct") == at.sealed


def test_reading_is_not_asked_about_and_deleting_is(at: At) -> None:
    blob = service(at).get_blob_client("ours", "read")
    blob.upload_blob(b"clean")
    before = len(at.lab.settled())
    assert blob.download_blob().readall() == b"clean"
    assert blob.get_blob_properties().size == 5
    assert len(at.lab.settled()) == before
    blob.delete_blob()
    assert at.store.holds("read") is None


def test_an_account_abroad(at: At) -> None:
    message = refused(service(at, account="abroad1").get_blob_client("ours", "abroad").upload_blob, at.sealed)
    assert "R10" in message
    assert at.store.holds("abroad", account="abroad1") is None


def test_threads_share_one_client(at: At) -> None:
    client = service(at)
    bodies = [os.urandom(20_000) for _ in range(24)]

    def put(number: int) -> bool:
        try:
            blob = client.get_blob_client("ours", f"thread-{number}")
            blob.upload_blob(at.tagged if number % 5 == 4 else bodies[number])
        except HttpResponseError:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(put, range(24))) == 20
    assert at.store.holds("thread-0") == bodies[0]
    assert at.store.holds("thread-4") is None


def test_forked_workers_ask_over_connections_of_their_own(at: At) -> None:
    service(at).get_blob_client("ours", "parent").upload_blob(b"before")
    context = multiprocessing.get_context("fork")
    told = context.Queue()

    def work(number: int) -> None:
        client = service(at)
        for name, data in (("clean", b"clean"), ("tagged", at.tagged)):
            try:
                client.get_blob_client("ours", f"fork-{number}-{name}").upload_blob(data)
                told.put((name, "stored"))
            except HttpResponseError as error:
                told.put((name, str(error)))

    workers = [context.Process(target=work, args=(number,)) for number in range(3)]
    for worker in workers:
        worker.start()
    answers = [told.get(timeout=60) for _ in range(6)]
    for worker in workers:
        worker.join(30)
    assert all((said == "stored") is (name == "clean") for name, said in answers), answers
    assert {at.decided(f"fork-{n}-tagged")["actor"]["pid"] for n in range(3)} == {one.pid for one in workers}


def test_what_passes_the_guard_is_judged_again(at: At) -> None:
    service(at, through=True).get_blob_client("ours", "twice").upload_blob(at.sealed)
    assert at.store.holds("twice") == at.sealed
    ways = [one["connection"]["way"] for one in at.lab.settled() if "twice" in repr(one["destination"])]
    assert ways.count("guard") == len(ways) - ways.count("guard") > 0


@pytest.mark.parametrize("form", ["bytes", "memory", "file"])
def test_a_tagged_body_arrives_sealed(at: At, form: str, caplog: pytest.LogCaptureFixture) -> None:
    client = service(at, comply=True)
    with caplog.at_level(logging.WARNING, "haechi.guard"), (at.lab.work / "recipe.bin").open("rb") as file:
        body = {"bytes": at.tagged, "memory": io.BytesIO(at.tagged), "file": file}[form]
        answer = client.get_blob_client("ours", f"mended-{form}").upload_blob(body)
    assert answer["haechi"] == {"sealed": True, "kms_key": ""}
    assert f"/ours/mended-{form}" in caplog.text
    assert at.unsealed(at.store.holds(f"mended-{form}")) == at.tagged
    assert at.decided(f"mended-{form}")["content"]["sealed"] is True


def test_the_scope_that_stands_for_the_institutions_key_is_named(at: At) -> None:
    client = service(at, comply=True)
    answer = client.get_blob_client("plain", "keyed").upload_blob(at.tagged)
    assert answer["haechi"] == {"sealed": True, "kms_key": "nct-scope"}
    assert at.unsealed(at.store.holds("keyed", "plain")) == at.tagged
    made = at.decided("keyed")
    assert made["input"]["request"]["encryption"]["key_id"] == "scope/nct-scope"


def test_what_is_compliant_stays_and_what_cannot_be_is_refused(at: At, caplog: pytest.LogCaptureFixture) -> None:
    container = service(at, comply=True).get_container_client("ours")
    for name, data in (("as-it-is", at.harmless), ("sealed-before", at.sealed)):
        container.upload_blob(name, data)
        assert at.store.holds(name) == data
    assert caplog.text == ""
    refused(service(at, comply=True, account="abroad1").get_blob_client("ours", "abroad").upload_blob, at.tagged)
    refused(container.get_blob_client("by-hand").stage_block, "1", at.tagged)


def test_a_guard_put_on_anew_takes_the_place_of_the_old_one(at: At) -> None:
    client = service(at, comply=True)
    guard(client, agent=at.lab.socket)
    refused(client.get_blob_client("ours", "anew").upload_blob, at.tagged)
    client.get_blob_client("ours", "newer").upload_blob(b"once")
    assert len([one for one in at.lab.settled() if "newer" in repr(one["destination"])]) == 1


def test_without_an_agent_nothing_that_carries_goes(at: At) -> None:
    service(at).get_blob_client("ours", "before").upload_blob(b"clean")
    alone = service(at, agent=at.lab.folder / "none")
    for data in (b"small", os.urandom(300 * KIB)):
        message = refused(alone.get_blob_client("ours", "alone").upload_blob, data)
        assert "haechi agent start" in message
    assert at.store.holds("alone") is None
    assert alone.get_blob_client("ours", "before").download_blob().readall() == b"clean"
