"""A running agent between a person and a bucket of the institution's in Seoul, at an emulator of the store.

The emulator knows neither owners nor keys: the facts about its bucket are answered as the API's description says.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.lab import Laboratory
from tests.stores.cloud_storage import CloudStorage
from tests.unit.gcs.published import KEY, PROJECT, Google, described

BUCKET = "ours"
CHUNK = 256 << 10
SIZE = 3 * CHUNK + 1000


@dataclass(slots=True)
class CloudLab:
    """``signer`` is a service account's key file, with which URLs are signed."""

    lab: Laboratory
    store: CloudStorage
    google: Google
    signer: Path
    tagged: Path
    sealed: Path

    @property
    def proxy(self) -> int:
        """The data path's port."""
        return int(self.lab.status()["parts"]["data_path"]["proxy_port"])

    @property
    def bundle(self) -> Path:
        """The roots to trust."""
        return Path(self.lab.status()["parts"]["data_path"]["bundle"])


@contextmanager
def cloud_lab(folder: Path) -> Iterator[CloudLab]:
    """Start all of it, with a tagged file and the same sealed."""
    with ExitStack() as stack:
        google, store = stack.enter_context(Google()), stack.enter_context(CloudStorage(folder, BUCKET))
        described(google)
        signer = google.credentials(folder)
        more = (
            f'[destinations.endpoints]\nstorage = "{google.url}"\ncloudkms = "{google.url}"\n'
            f'[destinations.credentials]\n"gcs.credentials_file" = "{signer}"\n'
        )
        lab = stack.enter_context(Laboratory(hosts=store.hosts, roots=(store.ca,), more=more))
        lab.institution.publish(provider="gcp", accounts=[PROJECT, "nct"], keys=[KEY])
        lab.configure()
        tagged = lab.work / "recipe.bin"
        tagged.write_bytes(os.urandom(SIZE))
        lab.start()
        lab.tag(tagged)
        yield CloudLab(lab, store, google, signer, tagged, lab.seal(tagged))
