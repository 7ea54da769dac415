"""Every program that people upload to Google Cloud Storage with, through the real agent to an emulator of the store.

The emulator (tests/stores/cloud_storage.py) checks no signature and no credentials; that Google does is no part of
what is asked here.
"""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from google.cloud import storage
from google.oauth2 import service_account

from tests.e2e.gcs_lab import BUCKET, CloudLab, cloud_lab
from tests.e2e.matrix.client import Client, Place, meets
from tests.e2e.tools_lab import found
from tests.lab import Finished
from tests.lab.aside import python_with
from tests.stores import tokens
from tests.stores.cloud_storage import SEOUL

pytestmark = pytest.mark.e2e
CLOUD = "Google Cloud Storage"
ENDPOINT = f"https://{SEOUL}"
SDK = Path(__file__).with_name("gcs_sdk.py")
GSUTIL = (
    f"Credentials:gs_json_host={SEOUL}",
    "Credentials:gs_json_port=443",
    # Without credentials it says so instead of what the store said.
    "Credentials:gs_oauth2_refresh_token=r",
    "OAuth2:client_id=i",
    "OAuth2:client_secret=s",
    f"OAuth2:provider_token_uri=https://{tokens.HOST}/token",
)
Upload = Callable[[Place, Path, str], Finished]


def first_line(*command: str | Path) -> str:
    """What a program says of its version."""
    done = subprocess.run([str(one) for one in command], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.strip().splitlines()[0]


def sdk(way: str) -> Upload:
    """By google-cloud-storage."""

    def upload(at: Place, file: Path, key: str) -> Finished:
        return at.lab.through(sys.executable, SDK, way, file, key, ENDPOINT, BUCKET)

    return upload


def sdk_version() -> str:
    """Of the library that the project itself asks with."""
    return importlib.metadata.version("google-cloud-storage")


def gsutil_program() -> Path:
    """Google's own, with its libraries aside."""
    return python_with("gsutil").parent / "gsutil"


def gsutil(*options: str) -> Upload:
    """By gsutil, set to the region's endpoint as its configuration file would."""

    def upload(at: Place, file: Path, key: str) -> Finished:
        told = [*GSUTIL, *options]
        words = [word for one in told for word in ("-o", one)]
        return at.lab.through(gsutil_program(), *words, "cp", file, f"gs://{BUCKET}/{key}", seconds=120)

    return upload


def gcloud(**more: str) -> Upload:
    """By gcloud storage, set to the region's endpoint as docs/google-cloud-storage.md says."""

    def upload(at: Place, file: Path, key: str) -> Finished:
        told = {
            "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true",
            "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
            "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "true",
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE": f"{ENDPOINT}/storage/v1/",
            **more,
        }
        return at.lab.through(found("gcloud"), "storage", "cp", file, f"gs://{BUCKET}/{key}", seconds=120, **told)

    return upload


def gcloud_version() -> str:
    return first_line(found("gcloud"), "--version").removeprefix("Google Cloud SDK ")


def rclone(at: Place, file: Path, key: str) -> Finished:
    options = ["--gcs-anonymous", "--gcs-endpoint", f"{ENDPOINT}/storage/v1/", "--gcs-no-check-bucket"]
    return at.lab.through(found("rclone"), "copyto", *options, file, f":gcs:{BUCKET}/{key}", seconds=120)


def rclone_version() -> str:
    return first_line(found("rclone"), "version").removeprefix("rclone ").lstrip("v")


def signing(at: Place) -> storage.Client:
    """What a colleague signs URLs with."""
    cloud: CloudLab = at.more
    credentials = service_account.Credentials.from_service_account_file(str(cloud.signer))
    return storage.Client(project="nct", credentials=credentials, client_options={"api_endpoint": ENDPOINT})


def signed_url(at: Place, file: Path, key: str) -> Finished:
    """A PUT to a signed URL (V4), which is the XML API's."""
    blob = signing(at).bucket(BUCKET).blob(key)
    url = blob.generate_signed_url(dt.timedelta(minutes=5), version="v4", method="PUT", api_access_endpoint=ENDPOINT)
    return at.lab.through(found("curl"), "-sS", "--fail-with-body", "-T", file, url)


def signed_form(at: Place, file: Path, key: str) -> Finished:
    """A form with a signed policy (V4), as browsers send it."""
    policy = signing(at).generate_signed_post_policy_v4(BUCKET, key, dt.timedelta(minutes=5))
    fields = [word for name, value in policy["fields"].items() for word in ("-F", f"{name}={value}")]
    return at.lab.through(
        found("curl"), "-sS", "--fail-with-body", *fields, "-F", f"file=@{file}", f"{ENDPOINT}/{BUCKET}"
    )


def curl_version() -> str:
    return first_line(found("curl"), "--version").split()[1]


def gsutil_version() -> str:
    return first_line(gsutil_program(), "--version").removeprefix("gsutil version: ")


CLIENTS: Sequence[Client] = (
    Client(CLOUD, "google-cloud-storage", "simple", sdk("simple"), sdk_version),
    Client(CLOUD, "google-cloud-storage", "related parts", sdk("multipart"), sdk_version),
    Client(CLOUD, "google-cloud-storage", "resumable, in pieces", sdk("resumable"), sdk_version),
    Client(CLOUD, "gsutil", "cp", gsutil(), gsutil_version),
    Client(CLOUD, "gsutil", "cp, resumable", gsutil("GSUtil:resumable_threshold=1"), gsutil_version),
    Client(CLOUD, "gcloud storage", "cp", gcloud(), gcloud_version),
    Client(CLOUD, "gcloud storage", "cp, resumable", gcloud(CLOUDSDK_STORAGE_RESUMABLE_THRESHOLD="1"), gcloud_version),
    Client(CLOUD, "rclone", "copyto", rclone, rclone_version, tries=3),  # it tries a whole file three times
    Client(CLOUD, "curl", "signed URL", signed_url, curl_version),
    Client(CLOUD, "curl", "signed form", signed_form, curl_version),
)


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with cloud_lab(tmp_path_factory.mktemp("gcs")) as cloud:
        yield Place(cloud.lab, cloud.tagged, cloud.sealed, lambda key: cloud.store.held(BUCKET, key), cloud)


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.slug)
def test_refused_and_let_through_as_every_client(at: Place, client: Client) -> None:
    meets(client, at)
    assert not [key for key in at.more.store.keys(BUCKET) if key.endswith("-tagged")]
