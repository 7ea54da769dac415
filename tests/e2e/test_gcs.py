"""Google's own client through the real agent to an emulator of the store: simple, related and resumable uploads.

The emulator knows neither owners nor keys: the facts about its bucket are answered as the API's description says.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from google.api_core.exceptions import Forbidden
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from tests.lab import Laboratory
from tests.stores.cloud_storage import SEOUL, CloudStorage
from tests.unit.gcs.published import KEY, PROJECT, Google, described

pytestmark = pytest.mark.e2e
CHUNK = 256 << 10
SIZE = 3 * CHUNK + 1000
WAYS = ("multipart", "resumable-chunks", "resumable-one", "simple")


@dataclass(slots=True)
class World:
    """The agent between a person and a bucket of the institution's in Seoul."""

    lab: Laboratory
    store: CloudStorage
    proxy: int
    bundle: Path
    tagged: bytes
    sealed: bytes
    harmless: bytes

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
        return client.bucket("ours").blob(key)

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


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("gcs")
    with ExitStack() as stack:
        google, store = stack.enter_context(Google()), stack.enter_context(CloudStorage(folder, "ours"))
        described(google)
        more = (
            f'[destinations.endpoints]\nstorage = "{google.url}"\ncloudkms = "{google.url}"\n'
            f'[destinations.credentials]\n"gcs.credentials_file" = "{google.credentials(folder)}"\n'
        )
        lab = stack.enter_context(Laboratory(hosts=store.hosts, roots=(store.ca,), more=more))
        lab.institution.publish(provider="gcp", accounts=[PROJECT, "nct"], keys=[KEY])
        lab.configure()
        tagged = os.urandom(SIZE)
        (lab.work / "recipe.bin").write_bytes(tagged)
        lab.start()
        file, sealed = lab.work / "recipe.bin", lab.work / "recipe.bin.age"
        tag = ("tag", file, "--technology", "SEM-01", "--grade", "A", "--owner", "공정팀")
        for command in (tag, ("seal", file, "-o", sealed)):
            done = lab.haechi(*command)
            assert done.status == 0, done.said
        path = lab.status()["parts"]["data_path"]
        yield World(lab, store, path["proxy_port"], Path(path["bundle"]), tagged, sealed.read_bytes(), os.urandom(SIZE))


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
    done = at.lab.haechi(
        "tag", at.lab.work / "small.bin", "--technology", "SEM-01", "--grade", "A", "--owner", "공정팀"
    )
    assert done.status == 0, done.said
    data = os.urandom(CHUNK - 4096) + secret + os.urandom(CHUNK - 4096)
    begun = at.session().post(
        f"https://{SEOUL}/upload/storage/v1/b/ours/o?uploadType=resumable", json={"name": "seam"}, timeout=30
    )
    where = begun.headers["location"]

    def send(start: int) -> requests.Response:
        said = {"content-range": f"bytes {start}-{start + CHUNK - 1}/{2 * CHUNK}"}
        return at.session().put(
            where, data=data[start : start + CHUNK], headers=said, timeout=30, allow_redirects=False
        )

    assert send(0).status_code == 308
    at.lab.stop()
    at.lab.start()
    path = at.lab.status()["parts"]["data_path"]
    at.proxy, at.bundle = path["proxy_port"], Path(path["bundle"])
    assert send(CHUNK).status_code == 403
    assert at.store.held("ours", "seam") is None


def test_a_refusal_is_not_tried_again(at: World) -> None:
    with contextlib.suppress(Forbidden):
        at.blob("once").upload_from_string(at.tagged, checksum=None)  # the SDK's own idea of trying again
    decided = [one for one in at.lab.settled() if "once" in repr(one.get("destination"))]
    assert len(decided) == 1
