"""The guard on Azure's clients for asyncio: the loop goes on while the agent judges."""

from __future__ import annotations

import asyncio
import io
import os
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.blob.aio import BlobClient, BlobServiceClient
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
    """Through the store's own address: aiohttp trusts what its context trusts."""
    settings = azure_settings(at, **more)
    settings["proxies"] = {"https": at.way}
    return guard(BlobServiceClient(**settings), comply=comply, agent=agent or at.lab.socket)


async def refused(call: Any, *said: Any, **named: Any) -> str:
    with pytest.raises(HttpResponseError) as caught:
        await call(*said, **named)
    assert caught.value.status_code == 403
    assert "Haechi refused" in str(caught.value)
    return str(caught.value)


async def pieces(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), 50_000):
        yield data[start : start + 50_000]


def bodies(data: bytes) -> dict[str, Any]:
    return {"bytes": data, "memory": io.BytesIO(data), "pieces": pieces(data)}


@pytest.mark.parametrize("form", ["bytes", "memory", "pieces"])
@pytest.mark.parametrize("single", [True, False])
async def test_tagged_bytes_are_refused_and_sealed_ones_arrive(at: At, form: str, single: bool) -> None:
    name = f"aio-{form}-{single}"
    async with service(at, max_single_put_size=MIB if single else 64 * KIB) as client:
        blob = client.get_blob_client("ours", name)
        message = await refused(blob.upload_blob, bodies(at.tagged)[form], length=len(at.tagged))
        assert "haechi explain" in message
        assert at.store.holds(name) is None
        await blob.upload_blob(bodies(at.sealed)[form], length=len(at.sealed))
        assert at.store.holds(name) == at.sealed
        assert await (await blob.download_blob()).readall() == at.sealed


async def test_a_stream_that_only_the_loop_can_read_is_sent_whole(at: At) -> None:
    async with service(at) as client:
        blob = client.get_blob_client("ours", "aio-once")
        await refused(blob.stage_block, "1", pieces(at.tagged), length=len(at.tagged))
        await blob.stage_block("1", pieces(at.sealed), length=len(at.sealed))
        await blob.commit_block_list(["1"])
    assert at.store.holds("aio-once") == at.sealed


async def test_many_at_once_while_the_loop_goes_on(at: At) -> None:
    turns = 0

    async def turning() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with service(at) as client:
        other = asyncio.create_task(turning())
        put = [client.get_blob_client("ours", f"aio-{n}").upload_blob(os.urandom(500)) for n in range(30)]
        await asyncio.gather(*put)
        other.cancel()
    assert turns > 30
    assert at.decided("aio-29")["connection"]["way"] == "guard"


async def test_a_client_of_one_blob_that_is_made_directly(at: At) -> None:
    made = BlobClient(**azure_settings(at), container_name="ours", blob_name="aio-direct")
    async with guard(made, agent=at.lab.socket) as blob:
        await refused(blob.upload_blob, at.tagged)
        await blob.upload_blob(at.sealed)
    assert at.store.holds("aio-direct") == at.sealed


@pytest.mark.parametrize("form", ["bytes", "memory", "pieces"])
async def test_a_tagged_body_arrives_sealed(at: At, form: str) -> None:
    async with service(at, comply=True) as client:
        blob = client.get_blob_client("ours", f"aio-mended-{form}")
        answer = await blob.upload_blob(bodies(at.tagged)[form])
    assert answer["haechi"] == {"sealed": True, "kms_key": ""}
    assert at.unsealed(at.store.holds(f"aio-mended-{form}")) == at.tagged


async def test_without_an_agent_nothing_that_carries_goes(at: At) -> None:
    async with service(at, agent=at.lab.folder / "none") as alone:
        message = await refused(alone.get_blob_client("ours", "aio-alone").upload_blob, b"clean")
    assert "haechi agent start" in message
    assert at.store.holds("aio-alone") is None
