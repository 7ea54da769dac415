"""A program with google-cloud-storage, as a person runs it: way, file, key, endpoint, bucket. Knows no proxy."""

from __future__ import annotations

import sys
from pathlib import Path

from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

CHUNK = 256 << 10


def main(way: str, file: str, key: str, endpoint: str, bucket: str) -> None:
    """Upload; the SDK's own exceptions and ideas of trying again."""
    client = storage.Client(
        project="nct", credentials=AnonymousCredentials(), client_options={"api_endpoint": endpoint}
    )
    if way == "simple":  # the SDK offers no such call: its transport, with its ideas of trying again
        target = f"{endpoint}/upload/storage/v1/b/{bucket}/o?uploadType=media&name={key}"
        answer = client._http.post(target, data=Path(file).read_bytes())
        if not answer.ok:
            sys.exit(f"{answer.status_code} {answer.text}")
        return
    blob = client.bucket(bucket).blob(key)
    if way == "resumable":
        blob.chunk_size = CHUNK
        with Path(file).open("rb") as source:
            blob.upload_from_file(source)  # of an unknown size: in pieces, however small the file is
        return
    blob.upload_from_filename(file)


if __name__ == "__main__":
    main(*sys.argv[1:])
