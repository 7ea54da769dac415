"""An emulator of Google Cloud Storage that others wrote (gcp-storage-emulator), over TLS and behind Google's own names.

It knows the JSON API with simple, related and resumable uploads. It checks no credentials, and knows neither IAM nor
keys: facts about its buckets come from elsewhere (``tests.unit.gcs.published``).
"""

from __future__ import annotations

import ssl
import threading
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from gcp_storage_emulator import server
from gcp_storage_emulator.storage import Storage

from tests.stores.certificates import StoreAuthority

SEOUL = "storage.asia-northeast3.rep.googleapis.com"
NAMES = (SEOUL, "storage.googleapis.com", "*.storage.googleapis.com", "www.googleapis.com")


class _Request(server.Request):
    """The emulator takes itself for plain HTTP when it says where a session goes on."""

    def __init__(self, *said: Any) -> None:
        super().__init__(*said)
        self._full_url = self._full_url.replace("http://", "https://", 1)
        self._base_url = self._base_url.replace("http://", "https://", 1)


class CloudStorage:
    """The store. ``hosts`` are what ``datapath.hosts`` needs so that Google's names lead here."""

    def __init__(self, folder: Path, *buckets: str) -> None:
        authority = StoreAuthority(folder)
        self.ca = authority.ca
        leaf = authority.issue(NAMES, "cloud-storage")
        self._storage = Storage(use_memory_fs=True)
        for bucket in buckets:
            server.buckets.create_bucket(bucket, self._storage)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(leaf.cert, leaf.key)
        server.Request = _Request
        handler = partial(server.RequestHandler, self._storage)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self._server.serve_forever)

    @property
    def hosts(self) -> dict[str, str]:
        """Google's names, and where they lead."""
        return {"*.googleapis.com": f"127.0.0.1:{self._server.server_address[1]}"}

    def held(self, bucket: str, key: str) -> bytes | None:
        """What the store holds under a name."""
        try:
            found: bytes = self._storage.get_file(bucket, key)
        except server.objects.NotFound:
            return None
        return found

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
