"""Reads the facts about a container through Azure's management API, in two rounds of parallel questions. Never raises.

First round: the storage accounts and key vaults of every registered subscription, and whose tenant it is in: that
finds the account and proves its owner. Second round: what belongs to the account and the container, and the state of
the account's key; a container with an encryption scope of its own costs a third, for that scope's key. The data plane
can tell none of it but who may read, so it is not asked. Questions that miss the deadline are ``Unknown('timeout')``.

**The owner** is the entry of the registry that names the subscription: ``TENANT/SUBSCRIPTION``, or the subscription
alone. With a tenant it counts only while the subscription is in that tenant: subscriptions can be handed over.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from haechi.domain.destination import Destination, EncryptionFacts, KeyFacts
from haechi.domain.facts import Known, Unknown
from haechi.domain.registry import Site
from haechi.domain.upload import Location
from haechi.ports.clock import Clock

from haechi_connectors.azure import posture_reading as reading
from haechi_connectors.azure.details import SCOPE
from haechi_connectors.azure.hosts import PROVIDER
from haechi_connectors.azure.posture_answers import NOT_ASKED, Answer, ask
from haechi_connectors.azure.posture_clients import Management
from haechi_connectors.azure.posture_reading import Found
from haechi_connectors.azure.regions import country_of
from haechi_connectors.questions import together

STORAGE: Final = "2023-05-01"
VAULTS: Final = "2023-07-01"
DIAGNOSTICS: Final = "2021-05-01-preview"
SUBSCRIPTIONS: Final = "2022-12-01"
CONTAINER_OF_ACCOUNT: Final = Answer({"properties": {}})
"""As a container says it that has no encryption scope of its own: what holds is the account's."""
THREADS: Final = 16
REMEMBERED_SECONDS: Final = 60.0
"""How long the lists of the first round are used again: many containers lie in few subscriptions."""
ASKED: Final = {
    "exists": "blobServices/containers",
    "region": "storageAccounts",
    "country": "countries.yaml",
    "encryption": "storageAccounts, encryptionScopes, vaults, vaults/keys",
    "public": "storageAccounts, blobServices/containers",
    "replicas": "storageAccounts, objectReplicationPolicies",
    "versioning": "blobServices",
    "object_lock": "blobServices/containers",
    "logging": "diagnosticSettings",
    "ways": "storageAccounts",
    "account": "storageAccounts of the registered subscriptions",
}


@dataclass(frozen=True, slots=True)
class Ours:
    """What lies in the registered subscriptions. ``read`` tells of each list how it ended, by what was asked."""

    accounts: Mapping[str, Found] = field(default_factory=dict)
    vaults: Mapping[str, Found] = field(default_factory=dict)
    listed: Mapping[str, Answer] = field(default_factory=dict)
    kept: Mapping[str, Answer] = field(default_factory=dict)


class AzurePosture:
    """Facts about containers of storage accounts. ``accounts`` and ``sites`` are what the registry now says.

    ``deadline`` bounds one read, in seconds.
    """

    def __init__(
        self,
        management: Management,
        accounts: Callable[[str], Sequence[str]],
        clock: Clock,
        *,
        sites: Callable[[], Sequence[Site]] = lambda: (),
        deadline: float = 8.0,
    ) -> None:
        self._management, self._accounts, self._clock = management, accounts, clock
        self._sites, self._deadline = sites, deadline
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="haechi-azure-facts")
        self._ours: tuple[float, tuple[str, ...], Ours] | None = None

    def close(self) -> None:
        """Take no more questions."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def warm(self) -> None:
        """Nothing is loaded before the first question: most institutions ask one cloud."""

    async def read(self, place: Location) -> Destination:
        """Everything that can be learned about the place's container now."""
        ends = self._clock.monotonic() + self._deadline
        name, _, container = place.container.partition("/")
        if place.provider != PROVIDER or place.store:
            return self._of_site(place)
        ours = await self._first(ends)
        account = ours.accounts.get(name)
        if account is None:
            return self._nothing(place, self._lacking(ours))
        own = reading.encryption(account, CONTAINER_OF_ACCOUNT, NOT_ASKED, ours.vaults, ours.kept)
        second = await self._together(self._about(account, container) | self._state(own.key, ours), ends)
        about = second["container"]
        encryption = reading.encryption(account, about, second["scopes"], ours.vaults, ours.kept)
        return Destination(
            provider=place.provider,
            container=place.container,
            exists=reading.exists(about),
            region=account.region,
            country=country_of(account.region),
            account=account.owner,
            encryption=await self._stated(encryption, ours, ends, second),
            public=reading.public(account, about, container),
            replicas=reading.replicas(account, container, second["policies"], ours.accounts),
            versioning=reading.versioning(second["service"]),
            mfa_delete=Unknown("not-supported"),
            object_lock=reading.object_lock(about),
            logging=reading.logging(second["diagnostics"]),
            acceleration=False,
            ways=reading.ways(account),
            read_at=self._clock.now(),
            asked=ASKED,
        )

    async def key(self, place: Location, key_id: str) -> KeyFacts:
        """The facts of the key behind an encryption scope that a request names (``scope/NAME``)."""
        ends = self._clock.monotonic() + self._deadline
        if place.provider != PROVIDER or place.store:
            return _no_key(key_id, Unknown("not-supported"))
        ours = await self._first(ends)
        account = ours.accounts.get(place.container.partition("/")[0])
        if account is None:
            return _no_key(key_id, self._lacking(ours))
        answers = await self._together({"scopes": self._list(f"{account.id}/encryptionScopes", STORAGE)}, ends)
        scope = key_id.removeprefix(SCOPE)
        found = reading.of_scope(scope, account, answers["scopes"], ours.vaults, ours.kept)
        found = await self._stated(found, ours, ends)
        if isinstance(found.key, KeyFacts):
            return found.key
        if found.key is None:  # the provider's own key stands behind the scope
            return KeyFacts(
                key_id, account.owner, account.region, country_of(account.region), "AZURE", "provider", False
            )
        return _no_key(key_id, found.key)

    async def named(self, place: Location, keys: Sequence[str]) -> Sequence[str]:
        """See ``haechi.ports.cloud.NamesKeys``: the account's encryption scopes that are in use with such a key."""
        ends = self._clock.monotonic() + self._deadline
        if place.provider != PROVIDER or place.store:
            return ()
        ours = await self._first(ends)
        account = ours.accounts.get(place.container.partition("/")[0])
        if account is None:
            return ()
        answers = await self._together({"scopes": self._list(f"{account.id}/encryptionScopes", STORAGE)}, ends)
        with_keys = reading.scopes_with(keys, account, answers["scopes"], ours.vaults, ours.kept)
        return [f"{SCOPE}{name}" for name in with_keys]

    # --- rounds ---

    async def _first(self, ends: float) -> Ours:
        registered = tuple(self._accounts(PROVIDER))
        known = self._ours
        if known and known[1] == registered and self._clock.monotonic() - known[0] < REMEMBERED_SECONDS:
            return known[2]
        questions: dict[str, Callable[[], Mapping[str, Any]]] = {}
        for owner in registered:
            there = f"/subscriptions/{_subscription(owner)}"
            questions[f"accounts:{owner}"] = self._list(f"{there}/providers/Microsoft.Storage/storageAccounts", STORAGE)
            questions[f"vaults:{owner}"] = self._list(f"{there}/providers/Microsoft.KeyVault/vaults", VAULTS)
            questions[f"tenant:{owner}"] = self._one(there, SUBSCRIPTIONS)
        answers = await self._together(questions, ends)
        accounts: dict[str, Found] = {}
        vaults: dict[str, Found] = {}
        for owner in registered:
            if not _in_tenant(owner, answers[f"tenant:{owner}"]):
                continue
            accounts |= reading.resources(owner, answers[f"accounts:{owner}"])
            vaults |= reading.resources(owner, answers[f"vaults:{owner}"])
        listed = {owner: _checked(owner, answers, "accounts") for owner in registered}
        kept = {owner: _checked(owner, answers, "vaults") for owner in registered}
        ours = Ours(accounts, vaults, listed, kept)
        if all(answer.ok for answer in (*listed.values(), *kept.values())):
            self._ours = (self._clock.monotonic(), registered, ours)
        return ours

    def _about(self, account: Found, container: str) -> dict[str, Callable[[], Mapping[str, Any]]]:
        blobs = f"{account.id}/blobServices/default"
        return {
            "container": self._one(f"{blobs}/containers/{container}", STORAGE),
            "service": self._one(blobs, STORAGE),
            "policies": self._list(f"{account.id}/objectReplicationPolicies", STORAGE),
            "scopes": self._list(f"{account.id}/encryptionScopes", STORAGE),
            "diagnostics": self._list(f"{blobs}/providers/Microsoft.Insights/diagnosticSettings", DIAGNOSTICS),
        }

    def _state(self, key: Known[KeyFacts | None], ours: Ours) -> dict[str, Callable[[], Mapping[str, Any]]]:
        """The question whether a key of ours can be used, by the key's name."""
        path = reading.key_path(key, ours.vaults)
        return {f"key:{key.id}": self._one(path, VAULTS)} if isinstance(key, KeyFacts) and path else {}

    async def _stated(
        self, encryption: EncryptionFacts, ours: Ours, ends: float, asked: Mapping[str, Answer] = MappingProxyType({})
    ) -> EncryptionFacts:
        """With the key's state; asked for now where it is not that of the account, which was asked about before."""
        questions = self._state(encryption.key, ours)
        missing = {name: question for name, question in questions.items() if name not in asked}
        answers = {**asked, **(await self._together(missing, ends))} if missing else asked
        answer = next((answers[name] for name in questions), None)
        if answer is None or not isinstance(encryption.key, KeyFacts):
            return encryption
        stated = dataclasses.replace(encryption.key, enabled=reading.enabled(answer))
        return dataclasses.replace(encryption, key=stated)

    # --- asking ---

    def _one(self, path: str, version: str) -> Callable[[], Mapping[str, Any]]:
        return lambda: self._management.get(path, version)

    def _list(self, path: str, version: str) -> Callable[[], Mapping[str, Any]]:
        return lambda: self._management.listed(path, version)

    async def _together(
        self, questions: Mapping[str, Callable[[], Mapping[str, Any]]], ends: float
    ) -> dict[str, Answer]:
        late = Answer(cause="timeout")
        return await together(self._threads, ask, questions, ends - self._clock.monotonic(), late)

    # --- what cannot be asked ---

    def _lacking(self, ours: Ours) -> Unknown:
        """Why an account was not found: it is somebody else's only if all that are registered were listed."""
        if not ours.listed:
            return Unknown("no-registered-account")
        missing = next((answer.unknown for answer in ours.listed.values() if not answer.ok), None)
        return Unknown("not-ours") if missing is None else missing

    def _nothing(self, place: Location, why: Unknown) -> Destination:
        known = Destination.unread(place.provider, place.container, Unknown("not-read"))
        return dataclasses.replace(known, account=why, read_at=self._clock.now())

    def _of_site(self, place: Location) -> Destination:
        """Of an emulator or another store nothing is known but what the registry says of where it is."""
        known = Destination.unread(place.provider, place.container, Unknown("not-supported"))
        site = next((one for one in self._sites() if one.service == PROVIDER and _is_at(one, place)), None)
        if site is None:
            return dataclasses.replace(known, read_at=self._clock.now())
        asked = {"region": "site", "country": "site"}
        region: Known[str] = site.region or Unknown("not-in-site")
        country: Known[str] = site.country or Unknown("not-in-site")
        return dataclasses.replace(known, region=region, country=country, read_at=self._clock.now(), asked=asked)


def _subscription(owner: str) -> str:
    return owner.rpartition("/")[2]


def _in_tenant(owner: str, answer: Answer) -> bool:
    tenant = owner.rpartition("/")[0].lower()
    return not tenant or (answer.ok and str(answer.data.get("tenantId") or "").lower() == tenant)


def _checked(owner: str, answers: Mapping[str, Answer], kind: str) -> Answer:
    """How a list ended; one of a subscription whose tenant could not be read is not known either."""
    tenant = answers[f"tenant:{owner}"]
    return tenant if owner.rpartition("/")[0] and not tenant.ok else answers[f"{kind}:{owner}"]


def _no_key(key_id: str, why: Unknown) -> KeyFacts:
    return KeyFacts(key_id, why, why, why, why, why, why, why)


def _is_at(site: Site, place: Location) -> bool:
    bare = site.host.removeprefix("*.")
    return site.provider == place.provider and (place.endpoint == bare or place.endpoint.endswith(f".{bare}"))
