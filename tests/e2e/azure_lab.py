"""An agent before Azurite over TLS, with a stand-in for the management API, and the SDK set to small pieces."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from azure.storage.blob import BlobClient, BlobServiceClient, BlobType

from tests.lab import Laboratory
from tests.stores.azurite import KEY, PROGRAM, Azurite
from tests.stores.management import KEY as VAULT_KEY
from tests.stores.management import OURS, Management

installed = pytest.mark.skipif(
    not PROGRAM.exists(), reason="Azurite is not installed: make test, or tools/node-tools.sh"
)
KIB = 1 << 10
SIZE = 300_000


@dataclass(slots=True)
class World:
    """One store, one agent, and files that are tagged, sealed and harmless."""

    store: Azurite
    management: Management
    lab: Laboratory
    tagged: bytes
    sealed: bytes
    harmless: bytes
    proxy: int
    bundle: Path

    def client(self, account: str = "fab1") -> BlobServiceClient:
        """The SDK as a program uses it, set to small pieces and, where it would, to try again."""
        return BlobServiceClient(
            f"https://{account}.blob.core.windows.net",
            credential={"account_name": account, "account_key": KEY},
            connection_verify=str(self.bundle),
            proxies={"https": f"http://127.0.0.1:{self.proxy}"},
            max_single_put_size=64 * KIB, max_block_size=64 * KIB, max_page_size=64 * KIB, retry_total=2,
        )  # fmt: skip

    def blob(self, name: str) -> BlobClient:
        """One blob through the agent."""
        return self.client().get_blob_client("ours", name)

    def put(
        self, name: str, data: bytes, kind: BlobType = BlobType.BLOCKBLOB, account: str = "fab1", **more: int
    ) -> None:
        """Upload through the agent; pages are filled up, as their clients do. Raises the SDK's own error."""
        data += bytes(-len(data) % 512) if kind is BlobType.PAGEBLOB else b""
        blob = self.client(account).get_blob_client("ours", name)
        blob.upload_blob(data, blob_type=kind, length=len(data), overwrite=True, **more)


@contextmanager
def azure() -> Iterator[World]:
    """All of it, started."""
    with ExitStack() as stack:
        store = stack.enter_context(Azurite())
        lab = stack.enter_context(Laboratory(hosts={"*.core.windows.net": f"127.0.0.1:{store.port}"}, roots=[store.ca]))
        management = stack.enter_context(Management(lab.folder, store.authority))
        lab.more = management.settings
        lab.institution.publish(accounts=[OURS], keys=[VAULT_KEY], provider="azure")
        lab.configure()
        lab.start()
        file = lab.work / "recipe.bin"
        file.write_bytes(tagged := os.urandom(SIZE))
        lab.tag(file)
        sealed = lab.seal(file).read_bytes()
        described = lab.status()["parts"]["data_path"]
        way = described["proxy_port"], Path(described["bundle"])
        yield World(store, management, lab, tagged, sealed, os.urandom(150 * KIB), *way)
