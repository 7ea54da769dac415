"""From what the management API says to facts. Pure; whatever the answers hold.

Shapes are those of Microsoft's published description of the API (Microsoft.Storage 2023-05-01, Microsoft.KeyVault
2023-07-01, Microsoft.Insights 2021-05-01-preview).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from haechi.domain.destination import EncryptionFacts, KeyFacts, PublicAccess, ReplicaTarget, WaysIn
from haechi.domain.facts import Known, Unknown

from haechi_connectors.azure.posture_answers import Answer, of
from haechi_connectors.azure.regions import country_of, normal

ACCOUNT_KEY = "$account-encryption-key"
"""The scope that stands for the account's own key."""
GEO = frozenset({"GRS", "RAGRS", "GZRS", "RAGZRS"})
LOCAL = frozenset({"LRS", "ZRS"})
GONE = frozenset({"KeyNotFound", "ResourceNotFound", "NotFound"})
"""How a 404 of a key's own is called."""
KEY_NAME = re.compile(r"[0-9A-Za-z-]{1,127}")
TLS = {"TLS1_0": "1.0", "TLS1_1": "1.1", "TLS1_2": "1.2", "TLS1_3": "1.3"}
LOGS = frozenset({"StorageRead", "StorageWrite", "StorageDelete"})
RESOURCE = re.compile(
    r"/subscriptions/(?P<subscription>[^/]+)/resourceGroups/(?P<group>[^/]+)/.*/(?P<name>[^/]+)", re.I
)


@dataclass(frozen=True, slots=True)
class Found:
    """A resource of the institution's: whose registered account it is in, where it lies, its id and settings."""

    owner: str
    region: Known[str]
    id: str
    data: Mapping[str, Any]

    @property
    def properties(self) -> Mapping[str, Any]:
        """Its settings."""
        return of(self.data, "properties")


def resources(owner: str, listed: Answer) -> dict[str, Found]:
    """The resources of a list by their names, in lower case."""
    found = {}
    for row in listed.rows:
        name, where, id_ = row.get("name"), row.get("location"), row.get("id")
        if isinstance(name, str) and isinstance(id_, str) and RESOURCE.fullmatch(id_):
            region: Known[str] = normal(where) if isinstance(where, str) and where else Unknown("invalid-answer")
            found[name.lower()] = Found(owner, region, id_, row)
    return found


def exists(container: Answer) -> Known[bool]:
    """Whether the container is there."""
    if container.ok:
        return True
    return False if container.code == "ContainerNotFound" else container.unknown


def public(account: Found, container: Answer, name: str) -> PublicAccess:
    """Who can read without being named. ``$web`` is shown by the account's static website."""
    allowed = account.properties.get("allowBlobPublicAccess")
    blocked = allowed is False  # where it is not set, it is allowed
    level = container.properties.get("publicAccess") if container.ok else None
    acl: Known[bool] = container.unknown if not container.ok else level not in (None, "None")
    website = name == "$web"
    return PublicAccess(blocked and not website, {"allowBlobPublicAccessOff": blocked}, acl, website)


def encryption(
    account: Found, container: Answer, scopes: Answer, vaults: Mapping[str, Found], read: Mapping[str, Answer]
) -> EncryptionFacts:
    """What the container encrypts with by default: its own scope's key, else the account's."""
    if not container.ok:
        return EncryptionFacts(container.unknown, container.unknown)
    scope = container.properties.get("defaultEncryptionScope")
    if isinstance(scope, str) and scope not in ("", ACCOUNT_KEY):
        return of_scope(scope, account, scopes, vaults, read)
    asked = of(account.properties, "encryption")
    source = str(asked.get("keySource") or "").lower()
    if source == "microsoft.storage":
        return EncryptionFacts("provider", None)
    if source == "microsoft.keyvault":
        named = of(asked, "keyvaultproperties")
        uri, name = str(named.get("keyvaulturi") or ""), str(named.get("keyname") or "")
        return EncryptionFacts("kms", key(f"{uri.rstrip('/')}/keys/{name}", vaults, read))
    return EncryptionFacts(Unknown("invalid-answer"), Unknown("invalid-answer"))


def of_scope(
    name: str, account: Found, scopes: Answer, vaults: Mapping[str, Found], read: Mapping[str, Answer]
) -> EncryptionFacts:
    """What an encryption scope stands for."""
    if not scopes.ok:
        return EncryptionFacts(scopes.unknown, scopes.unknown)
    for row in scopes.rows:
        if row.get("name") != name:
            continue
        about = of(row, "properties")
        source = str(about.get("source") or "").lower()
        if source == "microsoft.storage":
            return EncryptionFacts("provider", None)
        if source == "microsoft.keyvault":
            return EncryptionFacts("kms", key(str(of(about, "keyVaultProperties").get("keyUri") or ""), vaults, read))
    return EncryptionFacts(Unknown("no-such-key"), Unknown("no-such-key"))


def scopes_with(
    keys: Sequence[str], account: Found, scopes: Answer, vaults: Mapping[str, Found], read: Mapping[str, Answer]
) -> list[str]:
    """The names of the scopes that are in use and stand for one of these keys; none where they cannot be listed."""
    found = []
    for row in scopes.rows if scopes.ok else ():
        name, enabled = row.get("name"), str(of(row, "properties").get("state") or "").lower() == "enabled"
        if isinstance(name, str) and enabled:
            stands_for = of_scope(name, account, scopes, vaults, read).key
            if isinstance(stands_for, KeyFacts) and stands_for.id in keys:
                found.append(name)
    return found


def key(uri: str, vaults: Mapping[str, Found], read: Mapping[str, Answer]) -> KeyFacts:
    """A key by its URI, without its version. Whose it is and where it lies is its vault's: one that none of the
    registered subscriptions holds is somebody else's, if all of them were listed.
    """
    parts = urlsplit(uri)
    host, path = (parts.hostname or "").lower(), parts.path.split("/")
    if parts.scheme != "https" or len(path) < 3 or path[1] != "keys" or not path[2]:
        why = Unknown("invalid-answer")
        return KeyFacts(why, why, why, why, why, "customer", why, why)
    name = f"https://{host}/keys/{path[2]}"
    hsm = ".managedhsm." in host
    vault = vaults.get(host.partition(".")[0])
    manager = "customer"
    if vault is None:
        lacking = next((answer.unknown for answer in read.values() if not answer.ok), None)
        where = Unknown("not-read") if lacking is None else lacking
        owner = Unknown("not-ours") if lacking is None and not hsm else where
        return KeyFacts(name, owner, where, where, _origin(hsm), manager, Unknown("not-read"), Unknown("not-read"))
    # A vault lies in one region; its copies stay within the region's geography.
    return KeyFacts(
        name, vault.owner, vault.region, country_of(vault.region), _origin(hsm), manager, False, Unknown("not-read")
    )


def key_path(found: Known[KeyFacts | None], vaults: Mapping[str, Found]) -> str:
    """Where the management API has a key of one of our vaults; empty for every other."""
    if not isinstance(found, KeyFacts) or isinstance(found.id, Unknown):
        return ""
    parts = urlsplit(found.id)
    vault = vaults.get((parts.hostname or "").partition(".")[0])
    name = parts.path.rpartition("/")[2]
    return f"{vault.id}/keys/{name}" if vault is not None and KEY_NAME.fullmatch(name) else ""


def enabled(answer: Answer) -> Known[bool]:
    """Whether a key's newest version can be used. One that is not there was deleted, and waits for its end or is gone;
    that it was never there is no other case: an account encrypts with it.
    """
    if not answer.ok:
        return False if answer.code in GONE else answer.unknown
    told = of(answer.properties, "attributes").get("enabled")
    return told if isinstance(told, bool) else Unknown("not-told")


def _origin(hsm: bool) -> str:
    return "AZURE_MANAGED_HSM" if hsm else "AZURE_KEY_VAULT"


def replicas(
    account: Found, name: str, policies: Answer, accounts: Mapping[str, Found]
) -> Known[tuple[ReplicaTarget, ...]]:
    """The account's second region by its redundancy, and where rules of object replication send the container."""
    sku = str(of(account.data, "sku").get("name") or "")
    redundancy = sku.rpartition("_")[2].upper().replace("V2", "")
    if redundancy not in GEO | LOCAL:
        return Unknown("invalid-answer")
    found = []
    if redundancy in GEO:
        second = account.properties.get("secondaryLocation")
        where: Known[str] = normal(second) if isinstance(second, str) and second else Unknown("not-told")
        found.append(ReplicaTarget(f"{_short(account.id)}-secondary", where, country_of(where), account.owner))
    if not policies.ok:
        return policies.unknown
    mine = _short(account.id)
    for policy in policies.rows:
        about = of(policy, "properties")
        if _short(str(about.get("sourceAccount") or "")) != mine:
            continue
        rules = about.get("rules")
        there = _short(str(about.get("destinationAccount") or ""))
        found += [
            _target(there, str(rule.get("destinationContainer") or ""), accounts)
            for rule in (rules if isinstance(rules, list) else [])
            if isinstance(rule, Mapping) and rule.get("sourceContainer") == name
        ]
    return tuple(found)


def _target(account: str, container: str, accounts: Mapping[str, Found]) -> ReplicaTarget:
    there = accounts.get(account)
    if there is None:
        return ReplicaTarget(f"{account}/{container}", Unknown("not-read"), Unknown("not-read"), Unknown("not-ours"))
    return ReplicaTarget(f"{account}/{container}", there.region, country_of(there.region), there.owner)


def _short(name: str) -> str:
    """An account's name, of its id or as it is."""
    return name.rstrip("/").rpartition("/")[2].lower()


def ways(account: Found) -> WaysIn:
    """The account's doors, which are its containers' too. SFTP and NFS were never opened where nothing is said of them,
    and local users come in by SFTP alone.
    """
    told = account.properties
    sftp, nfs = (_switch(told.get(name, False)) for name in ("isSftpEnabled", "isNfsV3Enabled"))
    local = _switch(told.get("isLocalUserEnabled", False if sftp is False else None))
    https = _switch(told.get("supportsHttpsTrafficOnly"))
    oldest = TLS.get(str(told.get("minimumTlsVersion", "TLS1_0")))  # Microsoft takes 1.0 where nothing is set
    return WaysIn(
        sftp, nfs, local, https if isinstance(https, Unknown) else not https, oldest or Unknown("unrecognised-value")
    )


def _switch(value: object) -> Known[bool]:
    return value if isinstance(value, bool) else Unknown("not-told" if value is None else "unrecognised-value")


def versioning(service: Answer) -> Known[str]:
    """Whether earlier versions are kept."""
    if not service.ok:
        return service.unknown
    return "Enabled" if service.properties.get("isVersioningEnabled") is True else "Disabled"


def object_lock(container: Answer) -> Known[bool]:
    """Whether the container keeps blobs from being changed: a policy over time, a legal hold, or by version."""
    if not container.ok:
        return container.unknown
    about = container.properties
    versions = of(about, "immutableStorageWithVersioning").get("enabled")
    return any(one is True for one in (about.get("hasImmutabilityPolicy"), about.get("hasLegalHold"), versions))


def logging(settings: Answer) -> Known[str]:
    """Where reads, writes and deletions are logged to; ``off`` where not all three are."""
    if not settings.ok:
        return settings.unknown
    for setting in settings.rows:
        about = of(setting, "properties")
        logs = about.get("logs")
        rows = logs if isinstance(logs, list) else []
        on = [row for row in rows if isinstance(row, Mapping) and row.get("enabled") is True]
        whole = any(row.get("categoryGroup") in ("allLogs", "audit") for row in on)
        if whole or {str(row.get("category")) for row in on} >= LOGS:
            for name in ("workspaceId", "storageAccountId", "eventHubAuthorizationRuleId"):
                if isinstance(about.get(name), str) and about[name]:
                    return str(about[name])
    return "off"
