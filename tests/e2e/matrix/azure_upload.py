"""A person's program with Azure's SDK for Python: ``single|blocks|append|page FILE KEY``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from azure.storage.blob import BlobServiceClient, BlobType

KIB = 1 << 10
KINDS = {"append": BlobType.APPENDBLOB, "page": BlobType.PAGEBLOB}


def main(way: str, file: str, key: str) -> None:
    pieces = {} if way == "single" else {"max_single_put_size": 64 * KIB, "max_block_size": 64 * KIB}
    service = BlobServiceClient.from_connection_string(
        os.environ["AZURE_STORAGE_CONNECTION_STRING"], max_page_size=64 * KIB, **pieces
    )
    data = Path(file).read_bytes()
    size = {"size": str(len(data))}  # pages are filled up: without it nobody knows where the file ends
    data += bytes(-len(data) % 512) if way == "page" else b""
    kind = KINDS.get(way, BlobType.BLOCKBLOB)
    service.get_blob_client("ours", key).upload_blob(data, kind, length=len(data), metadata=size, overwrite=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
