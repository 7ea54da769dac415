"""A real agent before other clouds' stores, and their SDKs' clients with a guard: past the data path unless named."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.auth.credentials import AnonymousCredentials
from google.cloud import storage
from haechi_connectors import guard

from tests.lab import Laboratory
from tests.lab.straight import straight_to
from tests.stores.azurite import KEY as ACCOUNT_KEY
from tests.stores.azurite import Azurite
from tests.stores.cloud_storage import SEOUL, CloudStorage
from tests.stores.management import KEY as VAULT_KEY
from tests.stores.management import OURS, Management
from tests.unit.gcs.published import KEY, PROJECT, Google, described

KIB, MIB = 1 << 10, 1 << 20


@dataclass(slots=True)
class At:
    """``way`` is a proxy that judges nothing. ``tagged`` and ``sealed`` are one file, ``harmless`` is no one's."""

    lab: Laboratory
    store: Any
    way: str
    tagged: bytes
    sealed: bytes
    harmless: bytes

    @property
    def path(self) -> tuple[str, str]:
        """The agent's own proxy, and what trusts it."""
        described = self.lab.status()["parts"]["data_path"]
        return f"http://127.0.0.1:{described['proxy_port']}", str(described["bundle"])

    def decided(self, name: str) -> dict[str, Any]:
        """The newest decision about an object."""
        found = [one for one in self.lab.settled() if name in repr((one["destination"], one["request"]))]
        assert found, f"no decision about {name}"
        return found[-1]

    def unsealed(self, stored: bytes | None) -> bytes:
        """What ``haechi unseal`` makes of what the store holds."""
        assert stored is not None
        assert stored.startswith(b"age-encryption.org/v1")
        fetched, opened = self.lab.work / "fetched.age", self.lab.work / "fetched"
        fetched.write_bytes(stored)
        identity = self.lab.institution.identity
        done = self.lab.haechi("unseal", fetched, "-o", opened, "--force", "--identity", identity)
        assert done.status == 0, done.said
        return opened.read_bytes()


@contextmanager
def google(folder: Path) -> Iterator[At]:
    """The bucket ``ours`` in Seoul."""
    with ExitStack() as stack:
        facts, store = stack.enter_context(Google()), stack.enter_context(CloudStorage(folder, "ours", "plain"))
        described(facts)
        _without_key(facts)
        more = (
            f'[destinations.endpoints]\nstorage = "{facts.url}"\ncloudkms = "{facts.url}"\n'
            f'[destinations.credentials]\n"gcs.credentials_file" = "{facts.credentials(folder)}"\n'
        )
        lab = stack.enter_context(Laboratory(hosts=store.hosts, roots=(store.ca,), more=more))
        lab.institution.publish(provider="gcp", accounts=[PROJECT, "nct"], keys=[KEY])
        way = stack.enter_context(straight_to(int(next(iter(store.hosts.values())).rpartition(":")[2])))
        yield _begun(lab, store, way)


def _without_key(facts: Google) -> None:
    """The bucket ``plain``, as ``ours`` but for its key."""
    of_ours = {path: said for path, said in facts.answers.items() if path.startswith("/storage/v1/b/ours")}
    for path, said in of_ours.items():
        facts.answers[path.replace("/b/ours", "/b/plain")] = said
    plain = {name: said for name, said in facts.answers["/storage/v1/b/ours"].items() if name != "encryption"}
    facts.answers["/storage/v1/b/plain"] = {**plain, "name": "plain"}


def storage_client(at: At, *, through: bool = False, agent: Path | None = None, **more: Any) -> storage.Client:
    """Google's client as a program makes it, guarded; ``through`` the agent's proxy."""
    made = storage.Client(
        project="nct", credentials=AnonymousCredentials(), client_options={"api_endpoint": f"https://{SEOUL}"}
    )
    way, roots = at.path if through else (at.way, str(at.store.ca))
    made._http.trust_env = False
    made._http.proxies, made._http.verify = {"https": way}, roots
    return guard(made, agent=agent or at.lab.socket, **more)


@contextmanager
def azure() -> Iterator[At]:
    """The containers ``ours`` of ``fab1`` in Seoul and of ``abroad1``."""
    with ExitStack() as stack:
        store = stack.enter_context(Azurite())
        lab = stack.enter_context(Laboratory(hosts={"*.core.windows.net": f"127.0.0.1:{store.port}"}, roots=[store.ca]))
        management = stack.enter_context(Management(lab.folder, store.authority))
        _with_scopes(management, store)
        lab.more = management.settings
        lab.institution.publish(accounts=[OURS], keys=[VAULT_KEY], provider="azure")
        yield _begun(lab, store, stack.enter_context(straight_to(store.port)))


def _with_scopes(management: Management, store: Azurite) -> None:
    """A container ``plain`` that Microsoft's key encrypts by default, and scopes that stand for a key."""
    store.client().create_container("plain")
    answers = dict(management.answers)
    listed = next(path for path in answers if path.endswith("/fab1/encryptionScopes"))
    ours = {"source": "Microsoft.KeyVault", "state": "Enabled", "keyVaultProperties": {"keyUri": VAULT_KEY}}
    answers[listed] = {
        "value": [
            {"name": "microsofts", "properties": {"source": "Microsoft.Storage", "state": "Enabled"}},
            {"name": "given-up", "properties": {**ours, "state": "Disabled"}},
            {"name": "nct-scope", "properties": ours},
        ]
    }
    containers = listed.replace("encryptionScopes", "blobServices/default/containers")
    answers[f"{containers}/plain"] = {
        "name": "plain",
        "properties": {"publicAccess": "None", "defaultEncryptionScope": "microsofts"},
    }
    management.answers = answers


def azure_settings(at: At, *, through: bool = False, account: str = "fab1", **more: Any) -> dict[str, Any]:
    """What a client of an account is made with, for small pieces."""
    way, roots = at.path if through else (at.way, str(at.store.ca))
    return {
        "account_url": f"https://{account}.blob.core.windows.net",
        "credential": {"account_name": account, "account_key": ACCOUNT_KEY},
        "connection_verify": roots,
        "proxies": {"https": way},
        "max_single_put_size": 64 * KIB,
        "max_block_size": 64 * KIB,
        "max_page_size": 64 * KIB,
        "retry_total": 2,
        **more,
    }


def _begun(lab: Laboratory, store: Any, way: str) -> At:
    lab.configure()
    tagged = os.urandom(300_000)
    file = lab.work / "recipe.bin"
    file.write_bytes(tagged)
    lab.start()
    lab.tag(file)
    return At(lab, store, way, tagged, lab.seal(file).read_bytes(), os.urandom(150 * KIB))
