"""What every test store offers: its address, a client that goes straight to it, and a look at what it really holds."""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from botocore.config import Config
from botocore.exceptions import ClientError

from tests.stores.certificates import AWS_NAMES, StoreAuthority
from tests.stores.process import StoreProcess, free_port
from tests.stores.sdk import sdk_client

PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Account:
    """One account of a store. Keys are public test values."""

    id: str
    access_key: str
    secret_key: str
    user: str = "tester"

    @property
    def arn(self) -> str:
        """The user's ARN."""
        return f"arn:aws:iam::{self.id}:user/{self.user}"

    def environment(self) -> dict[str, str]:
        """Variables for tools; the instance metadata service is never asked."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_EC2_METADATA_DISABLED": "true",
        }


class TestStore:
    """Base of the stores. Use as a context manager, synchronous or asynchronous.

    ``names`` are the host names in its certificate besides localhost and loopback; ``folder`` keeps certificate,
    log and data, and is removed at the end when the store made it itself.
    """

    __test__ = False
    region = "ap-northeast-2"

    def __init__(
        self,
        account: Account,
        *,
        names: tuple[str, ...] = AWS_NAMES,
        folder: Path | None = None,
        authority: StoreAuthority | None = None,
        port: int | None = None,
    ) -> None:
        self.account = account
        self.names = names
        self._temporary = None if folder else tempfile.TemporaryDirectory(prefix="haechi-store-")
        self.folder = folder or Path(self._temporary.name)  # type: ignore[union-attr]
        self.folder.mkdir(parents=True, exist_ok=True)
        self.authority = authority or StoreAuthority(self.folder / "authority")
        self.port = port or free_port()
        self.certificate = self.authority.issue(("localhost", "127.0.0.1", "::1", *names), stem=f"store-{self.port}")
        self.log = self.folder / f"store-{self.port}.log"
        self._process: StoreProcess | None = None

    @property
    def ca(self) -> Path:
        """The root to trust for this store (PEM)."""
        return self.authority.ca

    @property
    def address(self) -> tuple[str, int]:
        """Where it really listens."""
        return ("127.0.0.1", self.port)

    @property
    def endpoint(self) -> str:
        """A URL that needs no name resolution; path-style."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def hosts(self) -> dict[str, str]:
        """What ``datapath.hosts`` needs so that AWS's names lead here."""
        return {"*.amazonaws.com": f"127.0.0.1:{self.port}"}

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self._started().pid

    def launch(self) -> StoreProcess:
        """The process, not yet started: what a subclass provides."""
        raise NotImplementedError

    def start(self) -> Self:
        """Start, and wait until it answers."""
        self._process = self.launch()
        self._process.start()
        return self

    def stop(self) -> None:
        """End it and remove the folder that it made."""
        if self._process:
            self._process.stop()
            self._process = None
        if self._temporary:
            self._temporary.cleanup()

    def client(self, service: str = "s3", account: Account | None = None, **config: Any) -> Any:
        """A boto3 client straight to the store: no proxy, its own root, nothing from the environment."""
        who = account or self.account
        settings = {"proxies": {}, "connect_timeout": 3, "read_timeout": 20, "retries": {"total_max_attempts": 1}}
        return sdk_client(
            service,
            endpoint_url=self.endpoint,
            region_name=config.pop("region", self.region),
            aws_access_key_id=who.access_key,
            aws_secret_access_key=who.secret_key,
            verify=str(self.ca),
            config=Config(**{**settings, "s3": {"addressing_style": "path"}, **config}),
        )

    def digest(self, bucket: str, key: str, account: Account | None = None) -> str | None:
        """SHA-256 of the object that the store really holds; None when there is none."""
        try:
            body = self.client(account=account).get_object(Bucket=bucket, Key=key)["Body"]
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                return None
            raise
        running = hashlib.sha256()
        for piece in body.iter_chunks(PIECE):
            running.update(piece)
        return running.hexdigest()

    def same(self, bucket: str, key: str, local: Path | bytes, account: Account | None = None) -> bool:
        """Whether the store holds exactly these bytes under this key."""
        return self.digest(bucket, key, account) == digest_of(local)

    def objects(self, bucket: str, account: Account | None = None) -> list[str]:
        """The keys of all objects in a bucket."""
        pages = self.client(account=account).get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return [item["Key"] for page in pages for item in page.get("Contents", ())]

    def uploads(self, bucket: str, account: Account | None = None) -> list[str]:
        """The keys of multipart uploads begun and not ended."""
        answer = self.client(account=account).list_multipart_uploads(Bucket=bucket)
        return [upload["Key"] for upload in answer.get("Uploads", ())]

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        return await asyncio.to_thread(self.start)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.stop)

    def _started(self) -> StoreProcess:
        if self._process is None:
            raise RuntimeError("the store is not running")
        return self._process


def digest_of(local: Path | bytes) -> str:
    """SHA-256 of bytes or of a file, in constant memory."""
    if isinstance(local, bytes):
        return hashlib.sha256(local).hexdigest()
    with local.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
