"""Azure Blob Storage: its SDKs, az, azcopy, rclone and curl, through the agent to Azurite over TLS."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import BlobSasPermissions, generate_blob_sas

from tests.e2e.azure_lab import azure
from tests.e2e.matrix.client import Client, Place, meets
from tests.e2e.tools_lab import found
from tests.lab import Finished
from tests.lab.aside import python_with
from tests.stores.azurite import KEY, PROGRAM, Azurite

pytestmark = pytest.mark.e2e
HERE = Path(__file__).parent
ROOT = HERE.parents[2]
TOOLS = ROOT / ".tools"
HOST = "fab1.blob.core.windows.net"
CONNECTION = f"DefaultEndpointsProtocol=https;AccountName=fab1;AccountKey={KEY};EndpointSuffix=core.windows.net"
CONNECTED = {"AZURE_STORAGE_CONNECTION_STRING": CONNECTION}


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    """One account in Korea, the institution's own, and a person's file."""
    if not PROGRAM.exists():
        message = "Azurite is not installed: make test, or tools/node-tools.sh"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    with azure() as world:
        lab, store = world.lab, world.store
        yield Place(lab, lab.work / "recipe.bin", lab.work / "recipe.bin.age", lambda key: _held(store, key), store)


def _held(store: Azurite, key: str) -> bytes | None:
    """A blob into which nothing was written holds nothing of anybody's: appends and pages need one that is there."""
    data = store.holds(key)
    if data is None or not data.strip(b"\0"):
        return None
    size = store.client().get_blob_client("ours", key).get_blob_properties().metadata.get("size")
    return data[: int(size)] if size else data


def _signed(key: str) -> str:
    """A link that lets anybody who has it put this blob."""
    until = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
    may = BlobSasPermissions(create=True, write=True, add=True)
    sas = generate_blob_sas("fab1", "ours", key, account_key=KEY, permission=may, expiry=until)
    return f"https://{HOST}/ours/{key}?{sas}"


def _sdk(way: str) -> Callable[[Place, Path, str], Finished]:
    return lambda at, file, key: at.lab.through(sys.executable, HERE / "azure_upload.py", way, file, key, **CONNECTED)


NODE = TOOLS / "node" / "azure-storage-blob"


def _node(way: str) -> Callable[[Place, Path, str], Finished]:
    return lambda at, file, key: at.lab.through(
        found("node"), HERE / "azure_upload.mjs", NODE, way, file, key, **CONNECTED
    )


def _of_node() -> str:
    """The SDK's version: what its package says of itself."""
    about = NODE / "node_modules" / "@azure" / "storage-blob" / "package.json"
    if not about.exists():
        message = "the SDK for Node is not installed: make test, or tools/node-tools.sh"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    return str(json.loads(about.read_text(encoding="utf-8"))["version"])


def _az(at: Place, file: Path, key: str) -> Finished:
    program = python_with("azure-cli").with_name("az")
    put = ["storage", "blob", "upload", "--container-name", "ours", "--name", key, "--file", file]
    own = {**CONNECTED, "AZURE_CORE_COLLECT_TELEMETRY": "no", "AZURE_CONFIG_DIR": str(at.lab.folder / "az")}
    return at.lab.through(program, *put, "--overwrite", "--no-progress", seconds=180, **own)


def _azcopy(*more: str) -> Callable[[Place, Path, str], Finished]:
    def upload(at: Place, file: Path, key: str) -> Finished:
        own = dict.fromkeys(("AZCOPY_LOG_LOCATION", "AZCOPY_JOB_PLAN_LOCATION"), str(at.lab.folder / "azcopy"))
        put = ["copy", file, _signed(key), "--skip-version-check", *more]
        return at.lab.through(_program("azcopy"), *put, seconds=120, **own)

    return upload


def _program(name: str) -> str:
    beside = TOOLS / "bin" / name
    return str(beside) if beside.exists() else found(name)


def _rclone(at: Place, file: Path, key: str) -> Finished:
    """In one request: 1.60 (Debian 12) waits for ever where any store refuses a block."""
    remote = f":azureblob,account=fab1,key='{KEY}':ours/{key}"
    return at.lab.through(found("rclone"), "copyto", file, remote, seconds=120, RCLONE_CONFIG="/dev/null")


def _curl(at: Place, file: Path, key: str) -> Finished:
    block = ("-H", "x-ms-blob-type: BlockBlob")
    return at.lab.through(found("curl"), "-sS", "--fail-with-body", *block, "-T", file, _signed(key))


def _says(program: Callable[[], str | Path], *arguments: str) -> Callable[[], str]:
    """The first number in what a program says of its version."""

    def asked() -> str:
        done = subprocess.run([str(program()), *arguments], capture_output=True, text=True, timeout=120, check=False)
        match = re.search(r"\d+\.\d+(?:\.\d+)*", done.stdout + done.stderr)
        assert match is not None, done
        return match[0]

    return asked


def _sdk_version() -> str:
    return version("azure-storage-blob")


def _az_program() -> Path:
    return python_with("azure-cli").with_name("az")


AZURE = "Azure Blob Storage"
AT_ONCE = 5
"""Blocks of the file, which these clients send side by side."""
AZCOPY = _says(lambda: _program("azcopy"), "--version")
IN_BLOCKS = ("--block-size-mb=0.0625", "--put-blob-size-mb=0.0625")
CLIENTS = [
    Client(AZURE, "azure-storage-blob", "single", _sdk("single"), _sdk_version),
    Client(AZURE, "azure-storage-blob", "blocks", _sdk("blocks"), _sdk_version),
    Client(AZURE, "azure-storage-blob", "append", _sdk("append"), _sdk_version),
    Client(AZURE, "azure-storage-blob", "page", _sdk("page"), _sdk_version),
    Client(AZURE, "@azure/storage-blob", "single", _node("single"), _of_node),
    Client(AZURE, "@azure/storage-blob", "blocks", _node("blocks"), _of_node, tries=AT_ONCE),
    Client(AZURE, "az", "storage blob upload", _az, _says(_az_program, "version")),
    Client(AZURE, "azcopy", "copy", _azcopy(), AZCOPY),
    Client(AZURE, "azcopy", "copy in blocks", _azcopy(*IN_BLOCKS), AZCOPY, tries=AT_ONCE),
    Client(AZURE, "rclone", "copyto", _rclone, _says(lambda: found("rclone"), "version"), tries=3),
    Client(AZURE, "curl", "link with a signature", _curl, _says(lambda: found("curl"), "--version")),
]


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.slug)
def test_refused_in_words_and_let_through_sealed(place: Place, client: Client) -> None:
    meets(client, place)
    key = f"{client.slug}-tagged"
    assert _waiting(place.more, key) == [], "nobody can make the blob of what waits at the store"


def _waiting(store: Azurite, key: str) -> list[str]:
    """Blocks that lie at the store and no list has joined."""
    try:
        _, waiting = store.client().get_blob_client("ours", key).get_block_list("all")
    except ResourceNotFoundError:
        return []
    except Exception as error:  # append and page blobs have no blocks
        assert "InvalidBlobType" in str(error), error
        return []
    return [one.id for one in waiting]
