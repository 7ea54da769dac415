"""Whatever keeps the agent's answer away, nothing is sent, and every SDK says so in its own exception."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import structlog
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobServiceClient
from azure.storage.blob.aio import BlobServiceClient as AsyncBlobServiceClient
from botocore.exceptions import ClientError
from google.api_core.exceptions import Forbidden
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage
from haechi.domain.errors import HaechiError
from haechi.inbound.control.peer import Role
from haechi.inbound.control.server import ControlServer
from haechi_connectors import guard
from haechi_connectors.agent import agent_at

NOWHERE = "http://127.0.0.1:9"
"""A store that nobody is: whoever gets as far as sending fails otherwise."""


def by_boto3(agent: Path) -> None:
    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "region_name": "ap-northeast-2"}
    guard(boto3.client("s3", endpoint_url=NOWHERE, **keys), agent=agent).put_object(Bucket="b", Key="k", Body=b"x")


def by_google(agent: Path) -> None:
    made = storage.Client("p", credentials=AnonymousCredentials(), client_options={"api_endpoint": NOWHERE})
    guard(made, agent=agent).bucket("b").blob("k").upload_from_string(b"x")


def by_azure(agent: Path) -> None:
    guard(BlobServiceClient(f"{NOWHERE}/a"), agent=agent).get_blob_client("c", "k").upload_blob(b"x")


def by_azure_async(agent: Path) -> None:
    async def put() -> None:
        async with AsyncBlobServiceClient(f"{NOWHERE}/a") as made:
            await guard(made, agent=agent).get_blob_client("c", "k").upload_blob(b"x")

    asyncio.run(put())


SDKS: dict[str, tuple[Callable[[Path], None], type[Exception]]] = {
    "boto3": (by_boto3, ClientError),
    "google": (by_google, Forbidden),
    "azure": (by_azure, HttpResponseError),
    "azure-aio": (by_azure_async, HttpResponseError),
}
each = pytest.mark.parametrize("sdk", SDKS)


def message(sdk: str, agent: Path) -> str:
    put, kind = SDKS[sdk]
    with pytest.raises(kind) as caught:
        put(agent)
    said = str(caught.value)
    assert "Haechi" in said
    assert "403" in said or "AccessDenied" in said or "InsufficientAccountPermissions" in said
    return said


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    agent_at.cache_clear()


@each
def test_no_agent(sdk: str, folder: Path) -> None:
    assert "haechi agent start" in message(sdk, folder / "none.sock")


@each
def test_a_socket_that_is_not_the_persons(sdk: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(self: Any, where: str) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("socket.socket.connect", connect)
    assert str(folder / "forbidden.sock") in message(sdk, folder / "forbidden.sock")


@contextlib.contextmanager
def answering(path: Path, answer: bytes) -> Iterator[Path]:
    """Something that answers every line with this, and then nothing."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen(8)

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                connection.recv(65536)
                if answer:
                    connection.sendall(answer)
                connection.close()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield path
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@each
@pytest.mark.parametrize("answer", [b"", b"garbage\n", b'{"id":"1","result":7}\n'])
def test_what_is_no_agent(sdk: str, answer: bytes, folder: Path) -> None:
    with answering(folder / "odd.sock", answer) as path:
        message(sdk, path)


@pytest.fixture
async def older(folder: Path) -> AsyncIterator[ControlServer]:
    made = ControlServer(folder / "run" / "o.sock", lambda peer: {Role.ANYONE}, structlog.get_logger("tests"))
    await made.start()
    yield made
    await made.stop()


@each
async def test_an_agent_that_knows_no_guards(sdk: str, older: ControlServer) -> None:
    said = await asyncio.to_thread(message, sdk, older.path)
    assert "guard.hello" in said, "which call it does not know"
    assert "restart" in said.lower()


def test_the_settings_are_read_when_the_guard_is_put_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HAECHI_CONFIG", str(tmp_path / "broken.toml"))
    (tmp_path / "broken.toml").write_text("= no TOML", encoding="utf-8")
    with pytest.raises(HaechiError) as caught:
        guard(BlobServiceClient(f"{NOWHERE}/a"))
    assert caught.value.code.startswith("settings.")
