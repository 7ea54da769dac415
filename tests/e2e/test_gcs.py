"""Google's own client through the real agent to an emulator of the store: simple, related and resumable uploads."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from google.api_core.exceptions import Forbidden
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from tests.e2e.gcs_lab import BUCKET, CHUNK, SIZE, CloudLab, cloud_lab
from tests.lab import Laboratory
from tests.stores.cloud_storage import SEOUL, CloudStorage

pytestmark = pytest.mark.e2e
WAYS = ("multipart", "resumable-chunks", "resumable-one", "simple")


@dataclass(slots=True)
class World:
    """The agent between a person and a bucket of the institution's in Seoul."""

    cloud: CloudLab
    proxy: int
    bundle: Path
    harmless: bytes

    @property
    def lab(self) -> Laboratory:
        """The person's machine."""
        return self.cloud.lab

    @property
    def store(self) -> CloudStorage:
        """What stands for Google."""
        return self.cloud.store

    @property
    def tagged(self) -> bytes:
        """Protected content."""
        return self.cloud.tagged.read_bytes()

    @property
    def sealed(self) -> bytes:
        """The same, sealed."""
        return self.cloud.sealed.read_bytes()

    def session(self) -> requests.Session:
        """What goes through the agent, and trusts its certificates."""
        made = requests.Session()
        made.trust_env = False
        made.proxies = {"https": f"http://127.0.0.1:{self.proxy}"}
        made.verify = str(self.bundle)
        return made

    def blob(self, key: str, host: str = SEOUL) -> Any:
        """The SDK's object."""
        client = storage.Client(
            project="nct",
            credentials=AnonymousCredentials(),
            _http=self.session(),
            client_options={"api_endpoint": f"https://{host}"},
        )
        return client.bucket(BUCKET).blob(key)

    def upload(self, way: str, key: str, data: bytes, host: str = SEOUL) -> None:
        """By one of the ways that clients have. Raises ``Forbidden``."""
        if way == "simple":
            target = f"https://{host}/upload/storage/v1/b/ours/o?uploadType=media&name={key}"
            answer = self.session().post(target, data=data, timeout=30)
            if answer.status_code == 403:
                raise Forbidden(answer.json()["error"]["message"])
            answer.raise_for_status()
            return
        blob = self.blob(key, host)
        if way == "multipart":
            blob.upload_from_string(data, content_type="application/octet-stream", retry=None, checksum=None)
            return
        blob.chunk_size = CHUNK if way == "resumable-chunks" else 4 * CHUNK
        # Of an unknown size: then the SDK begins a session however small the file is.
        blob.upload_from_file(io.BytesIO(data), content_type="application/octet-stream", retry=None, checksum=None)

    def begin(self, key: str) -> str:
        """Begin a session; its URL."""
        target = f"https://{SEOUL}/upload/storage/v1/b/ours/o?uploadType=resumable"
        answer = self.session().post(target, json={"name": key}, timeout=30)
        answer.raise_for_status()
        return str(answer.headers["location"])

    def send(self, where: str, data: bytes, start: int, total: int) -> requests.Response:
        """One piece of a session."""
        said = {"content-range": f"bytes {start}-{start + len(data) - 1}/{total}"}
        return self.session().put(where, data=data, headers=said, timeout=30, allow_redirects=False)


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with cloud_lab(tmp_path_factory.mktemp("gcs")) as cloud:
        yield World(cloud, cloud.proxy, cloud.bundle, os.urandom(SIZE))


@pytest.mark.parametrize("way", WAYS)
def test_a_tagged_file_is_refused_and_not_at_the_store(at: World, way: str) -> None:
    with pytest.raises(Forbidden) as caught:
        at.upload(way, f"tagged-{way}", at.tagged)
    assert "layer 1" in str(caught.value) and "haechi explain" in str(caught.value)
    assert at.store.held("ours", f"tagged-{way}") is None


@pytest.mark.parametrize("way", WAYS)
def test_a_sealed_file_arrives_as_it_was(at: World, way: str) -> None:
    at.upload(way, f"sealed-{way}", at.sealed)
    assert at.store.held("ours", f"sealed-{way}") == at.sealed


@pytest.mark.parametrize("way", WAYS)
def test_a_harmless_file_arrives_as_it_was(at: World, way: str) -> None:
    at.upload(way, f"harmless-{way}", at.harmless)
    assert at.store.held("ours", f"harmless-{way}") == at.harmless


@pytest.mark.parametrize("way", WAYS)
def test_the_endpoint_without_a_region_is_no_place_in_korea(at: World, way: str) -> None:
    with pytest.raises(Forbidden):
        at.upload(way, f"global-{way}", at.sealed, "storage.googleapis.com")
    assert at.store.held("ours", f"global-{way}") is None


def test_a_session_goes_on_over_connections_and_a_restart_of_the_agent(at: World) -> None:
    """The protected bytes lie over the seam: neither piece alone holds more than one block that could be recognised."""
    (at.lab.work / "small.bin").write_bytes(secret := os.urandom(8192))
    at.lab.tag(at.lab.work / "small.bin")
    data = os.urandom(CHUNK - 4096) + secret + os.urandom(CHUNK - 4096)
    where = at.begin("seam")
    assert at.send(where, data[:CHUNK], 0, len(data)).status_code == 308
    at.lab.stop()
    at.lab.start()
    at.proxy, at.bundle = at.cloud.proxy, at.cloud.bundle
    assert at.send(where, data[CHUNK:], CHUNK, len(data)).status_code == 403
    assert at.store.held("ours", "seam") is None


def test_a_refusal_is_not_tried_again(at: World) -> None:
    with contextlib.suppress(Forbidden):
        at.blob("once").upload_from_string(at.tagged, checksum=None)  # the SDK's own idea of trying again
    decided = [one for one in at.lab.settled() if "once" in repr(one.get("destination"))]
    assert len(decided) == 1


def test_a_session_that_was_refused_in_the_middle_is_given_up(at: World) -> None:
    """Nothing goes on in it: neither other bytes nor the request that would make an object of what had passed."""
    first = os.urandom(CHUNK)
    where, total = at.begin("middle"), CHUNK + len(at.tagged)
    assert at.send(where, first, 0, total).status_code == 308
    refused = at.send(where, at.tagged, CHUNK, total)
    assert refused.status_code == 403
    assert "haechi seal" in refused.json()["error"]["message"]
    ends = at.session().put(where, headers={"content-range": f"bytes */{CHUNK}"}, timeout=30, allow_redirects=False)
    assert ends.status_code == 403
    assert at.send(where, os.urandom(CHUNK), CHUNK, 2 * CHUNK).status_code == 403
    at.lab.stop()
    at.lab.start()
    at.proxy, at.bundle = at.cloud.proxy, at.cloud.bundle
    assert at.send(where, os.urandom(CHUNK), CHUNK, 2 * CHUNK).status_code == 403
    assert at.session().delete(where, timeout=30).status_code == 499  # as Google answers who gives a session up
    assert at.store.held("ours", "middle") is None


def test_a_session_may_ask_how_far_it_is_and_end_without_a_body(at: World) -> None:
    """What was let through may be finished: clients of streams learn the size last."""
    data = os.urandom(CHUNK)
    where = at.begin("stream")
    said = {"content-range": f"bytes 0-{CHUNK - 1}/*"}
    assert at.session().put(where, data=data, headers=said, timeout=30, allow_redirects=False).status_code == 308
    ends = at.session().put(where, headers={"content-range": f"bytes */{CHUNK}"}, timeout=30, allow_redirects=False)
    assert ends.status_code == 200
    assert at.store.held("ours", "stream") == data
