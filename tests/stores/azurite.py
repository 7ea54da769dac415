"""Azurite, Microsoft's emulator of blob storage, behind Azure's own host names. It verifies Shared Key signatures."""

from __future__ import annotations

import base64
import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from azure.storage.blob import BlobServiceClient

from tests.stores.certificates import LOCAL_NAMES, StoreAuthority
from tests.stores.process import StoreProcess, free_port

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / ".tools" / "node" / "azurite" / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
ACCOUNTS = ("fab1", "abroad1")
KEY = base64.b64encode(b"haechi tests, and nothing else ever").decode()
NAMES = tuple(f"*.{service}.core.windows.net" for service in ("blob", "dfs"))


class Azurite:
    """One emulator with the accounts ``fab1`` and ``abroad1``, both with ``KEY``."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="haechi-azurite-"))
        self.authority = StoreAuthority(self._folder)
        self.ca = self.authority.ca
        leaf = self.authority.issue((*LOCAL_NAMES, *NAMES), "azurite")
        self.port = free_port()
        command = [
            shutil.which("node") or "node", str(PROGRAM), "--blobHost", "127.0.0.1", "--blobPort", str(self.port),
            "--cert", str(leaf.cert), "--key", str(leaf.key), "--silent",
            "--skipApiVersionCheck", "--disableTelemetry", "--inMemoryPersistence",
        ]  # fmt: skip
        named = {"AZURITE_ACCOUNTS": ";".join(f"{account}:{KEY}" for account in ACCOUNTS)}
        self._process = StoreProcess(command, named, self.port, self.ca, self._folder / "log")

    def client(self, account: str = "fab1") -> BlobServiceClient:
        """Straight to the store, past the agent."""
        url = f"https://127.0.0.1:{self.port}/{account}"
        return BlobServiceClient(
            url, credential={"account_name": account, "account_key": KEY}, connection_verify=str(self.ca)
        )

    def holds(self, name: str, container: str = "ours", account: str = "fab1") -> bytes | None:
        """What a blob holds; None where there is none."""
        blob = self.client(account).get_blob_client(container, name)
        return blob.download_blob().readall() if blob.exists() else None

    def __enter__(self) -> Self:
        self._process.start()
        for account in ACCOUNTS:
            self.client(account).create_container("ours")
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._process.stop()
        shutil.rmtree(self._folder, ignore_errors=True)
