"""fake-gcs-server, an emulator of Google Cloud Storage that others wrote, over TLS and behind Google's own names.

It takes the JSON API, signed URLs of the XML API and sessions. What is asked of it at another endpoint's path of the
XML API than Seoul's is not found. It knows neither owners nor keys nor policies, checks no signature, and is no proof
of how sessions go on: it takes a question about a session for its end, and bytes for as many as their range says.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import requests

from tests.stores import tokens
from tests.stores.certificates import StoreAuthority
from tests.stores.process import StoreProcess, free_port
from tests.stores.tokens import Tokens

BINARY = Path(__file__).resolve().parents[2] / ".tools" / "bin" / "fake-gcs-server"
SEOUL = "storage.asia-northeast3.rep.googleapis.com"
NAMES = ("localhost", SEOUL, "storage.googleapis.com", "*.storage.googleapis.com", "www.googleapis.com")


class CloudStorage:
    """The store. ``hosts`` are what ``datapath.hosts`` needs so that Google's names lead here."""

    def __init__(self, folder: Path, *buckets: str) -> None:
        authority = StoreAuthority(folder)
        self.ca, self._port, self._plain, data = authority.ca, free_port(), free_port(), folder / "buckets"
        leaf = authority.issue(NAMES, "cloud-storage")
        for bucket in buckets:
            (data / bucket).mkdir(parents=True)
        command = [BINARY, "-scheme", "both", "-host", "127.0.0.1", "-port", self._port, "-port-http", self._plain]
        command += ["-backend", "memory", "-data", data, "-public-host", SEOUL, "-external-url", f"https://{SEOUL}"]
        command += ["-cert-location", leaf.cert, "-private-key-location", leaf.key, "-log-level", "warn"]
        self._tokens = Tokens(authority.issue((tokens.HOST,), "tokens"))
        self._process = StoreProcess([str(one) for one in command], {}, self._port, self.ca, folder / "store.log")

    @property
    def hosts(self) -> dict[str, str]:
        """Google's names, and where they lead."""
        return {"*.googleapis.com": f"127.0.0.1:{self._port}", tokens.HOST: self._tokens.address}

    def held(self, bucket: str, key: str) -> bytes | None:
        """What the store holds under a name."""
        answer = self._get(f"/b/{bucket}/o/{quote(key, safe='')}?alt=media")
        if answer.status_code == 404:
            return None
        answer.raise_for_status()
        return answer.content

    def keys(self, bucket: str) -> list[str]:
        """The names of all objects."""
        answer = self._get(f"/b/{bucket}/o")
        answer.raise_for_status()
        items: list[dict[str, Any]] = answer.json().get("items") or []
        return [str(item["name"]) for item in items]

    def _get(self, path: str) -> requests.Response:
        """Straight, without a proxy."""
        with requests.Session() as session:
            session.trust_env = False
            return session.get(f"http://127.0.0.1:{self._plain}/storage/v1{path}", timeout=10)

    def __enter__(self) -> Self:
        self._process.start()
        self._tokens.__enter__()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._tokens.__exit__()
        self._process.stop()
