"""What the management API says, in the shapes that Microsoft publishes, becomes facts. Not run against Azure itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ServiceRequestError
from haechi.domain.destination import KeyFacts, ReplicaTarget, WaysIn
from haechi.domain.facts import Unknown
from haechi.domain.registry import Site
from haechi.domain.upload import Location
from haechi.outbound.clock import SystemClock
from haechi.words import catalogue
from haechi_connectors.azure.buckets import AzureContainers
from haechi_connectors.azure.posture import AzurePosture
from haechi_connectors.azure.posture_answers import CAUSES

TENANT, SUB = "7e000000-0000-4000-8000-0000000000aa", "5b000000-0000-4000-8000-000000000001"
OURS = f"{TENANT}/{SUB}"
GROUP = f"/subscriptions/{SUB}/resourceGroups/storage/providers"
ACCOUNT = f"{GROUP}/Microsoft.Storage/storageAccounts/fab1"
BLOBS = f"{ACCOUNT}/blobServices/default"
KEY = "https://ours.vault.azure.net/keys/nct"
STATE = f"{GROUP}/Microsoft.KeyVault/vaults/ours/keys/nct"
PLACE = Location("azure", "fab1/lots", "k", endpoint="fab1.blob.core.windows.net")
ROLE = Path(__file__).resolve().parents[3] / "deploy" / "permissions" / "azure" / "destination-facts-role.json"

WHOLE: dict[str, Any] = {
    f"/subscriptions/{SUB}": {"subscriptionId": SUB, "tenantId": TENANT, "state": "Enabled"},
    f"/subscriptions/{SUB}/providers/Microsoft.Storage/storageAccounts": {
        "value": [
            {
                "id": ACCOUNT,
                "name": "fab1",
                "location": "koreacentral",
                "sku": {"name": "Standard_GRS", "tier": "Standard"},
                "properties": {
                    "primaryLocation": "koreacentral",
                    "secondaryLocation": "koreasouth",
                    "allowBlobPublicAccess": False,
                    "supportsHttpsTrafficOnly": True,
                    "minimumTlsVersion": "TLS1_2",
                    "encryption": {
                        "keySource": "Microsoft.Keyvault",
                        "keyvaultproperties": {"keyvaulturi": "https://ours.vault.azure.net/", "keyname": "nct"},
                    },
                },
            }
        ]
    },
    f"/subscriptions/{SUB}/providers/Microsoft.KeyVault/vaults": {
        "value": [{"id": f"{GROUP}/Microsoft.KeyVault/vaults/ours", "name": "ours", "location": "Korea Central"}]
    },
    STATE: {"name": "nct", "properties": {"attributes": {"enabled": True}, "keyUri": KEY}},
    f"{BLOBS}/containers/lots": {
        "name": "lots",
        "properties": {"publicAccess": "None", "defaultEncryptionScope": "$account-encryption-key"},
    },
    BLOBS: {"properties": {"isVersioningEnabled": True}},
    f"{ACCOUNT}/objectReplicationPolicies": {"value": []},
    f"{ACCOUNT}/encryptionScopes": {
        "value": [
            {"name": "plain", "properties": {"source": "Microsoft.Storage", "state": "Enabled"}},
            {
                "name": "held",
                "properties": {"source": "Microsoft.KeyVault", "keyVaultProperties": {"keyUri": f"{KEY}/0123"}},
            },
        ]
    },
    f"{BLOBS}/providers/Microsoft.Insights/diagnosticSettings": {
        "value": [
            {
                "properties": {
                    "workspaceId": "/workspaces/ours",
                    "logs": [{"category": f"Storage{what}", "enabled": True} for what in ("Read", "Write", "Delete")],
                }
            }
        ]
    },
    f"{BLOBS}/containers": {"value": [{"name": "lots"}, {"name": "$web"}]},
}


class Refusal(HttpResponseError):
    def __init__(self, status: int, code: str) -> None:
        super().__init__(message=code)
        self.status_code = status
        self.error = type("Odata", (), {"code": code})()


class Said:
    """A management API that says what it was given, and counts rounds by what was asked."""

    def __init__(self, **changed: Any) -> None:
        self.answers = {**WHOLE}
        self.asked: list[str] = []

    def get(self, path: str, version: str) -> Mapping[str, Any]:
        assert version
        self.asked.append(path)
        answer = self.answers.get(path, Refusal(404, "ContainerNotFound"))
        if isinstance(answer, Exception):
            raise answer
        return answer

    listed = get

    def change(self, path: str, **properties: Any) -> None:
        found = json.loads(json.dumps(self.answers[path]))
        target = found["value"][0] if "value" in found else found
        target.setdefault("properties", {}).update(properties)
        self.answers[path] = found


@pytest.fixture
def said() -> Said:
    return Said()


def posture(said: Said, *registered: str, sites: tuple[Site, ...] = ()) -> AzurePosture:
    return AzurePosture(said, lambda provider: registered or (OURS,), SystemClock(), sites=lambda: sites)


ACCOUNTS = f"/subscriptions/{SUB}/providers/Microsoft.Storage/storageAccounts"
LOTS = f"{BLOBS}/containers/lots"


async def test_everything_is_read(said: Said) -> None:
    facts = await posture(said).read(PLACE)
    assert (facts.exists, facts.region, facts.country, facts.account) == (True, "koreacentral", "KR", OURS)
    assert facts.encryption.mode == "kms"
    assert facts.encryption.key == KeyFacts(KEY, OURS, "koreacentral", "KR", "AZURE_KEY_VAULT", "customer", False, True)
    assert (facts.public.blocked, facts.public.acl_public, facts.public.policy_public) == (True, False, False)
    assert facts.replicas == (ReplicaTarget("fab1-secondary", "koreasouth", "KR", OURS),)
    assert (facts.versioning, facts.object_lock, facts.logging) == ("Enabled", False, "/workspaces/ours")


@pytest.mark.parametrize(
    ("answer", "enabled"),
    [
        ({"properties": {"attributes": {"enabled": False}}}, False),
        (Refusal(404, "KeyNotFound"), False),
        (Refusal(403, "AuthorizationFailed"), Unknown("access-denied")),
        (Refusal(404, "SubscriptionNotFound"), Unknown("access-denied")),
        ({"properties": {}}, Unknown("not-told")),
    ],
)
async def test_whether_the_key_can_be_used_is_read(said: Said, answer: Any, enabled: object) -> None:
    said.answers[STATE] = answer
    facts = await posture(said).read(PLACE)
    assert isinstance(facts.encryption.key, KeyFacts) and facts.encryption.key.enabled == enabled
    assert facts.encryption.key.account == OURS and facts.exists is True, "all else is known without it"


async def test_the_key_of_a_scope_of_its_own_has_its_state(said: Said) -> None:
    said.change(LOTS, defaultEncryptionScope="held")
    said.answers[STATE] = {"properties": {"attributes": {"enabled": False}}}
    facts = await posture(said).read(PLACE)
    assert isinstance(facts.encryption.key, KeyFacts) and facts.encryption.key.enabled is False
    assert (await posture(said).key(PLACE, "scope/held")).enabled is False


async def test_a_second_region_that_the_answer_leaves_out_is_said_to_be_left_out(said: Said) -> None:
    said.change(ACCOUNTS, secondaryLocation=None)
    (target,) = (await posture(said).read(PLACE)).replicas
    assert (target.region, target.country) == (Unknown("not-told"), Unknown("not-told"))


async def test_the_ways_in_are_those_of_the_account(said: Said) -> None:
    assert (await posture(said).read(PLACE)).ways == WaysIn(False, False, False, False, "1.2")
    said.change(ACCOUNTS, isSftpEnabled=True, isNfsV3Enabled=True, isLocalUserEnabled=True)
    said.change(ACCOUNTS, supportsHttpsTrafficOnly=False, minimumTlsVersion="TLS1_0")
    assert (await posture(said).read(PLACE)).ways == WaysIn(True, True, True, True, "1.0")


@pytest.mark.parametrize(
    ("told", "ways"),
    [
        ({"isSftpEnabled": True}, WaysIn(True, False, Unknown("not-told"), False, "1.2")),
        ({"isSftpEnabled": "yes"}, WaysIn(Unknown("unrecognised-value"), False, Unknown("not-told"), False, "1.2")),
        ({"supportsHttpsTrafficOnly": None}, WaysIn(False, False, False, Unknown("not-told"), "1.2")),
        ({"minimumTlsVersion": "TLS9"}, WaysIn(False, False, False, False, Unknown("unrecognised-value"))),
    ],
)
async def test_what_the_account_does_not_say_of_its_ways_is_unknown(
    said: Said, told: dict[str, Any], ways: WaysIn
) -> None:
    said.change(ACCOUNTS, **told)
    assert (await posture(said).read(PLACE)).ways == ways


async def test_an_account_whose_tls_was_never_set_answers_the_oldest(said: Said) -> None:
    said.change(ACCOUNTS)
    del said.answers[ACCOUNTS]["value"][0]["properties"]["minimumTlsVersion"]
    assert (await posture(said).read(PLACE)).ways.minimum_tls == "1.0"


async def test_the_lists_are_asked_once_for_many_containers(said: Said) -> None:
    facts = posture(said)
    await facts.read(PLACE)
    before = len(said.asked)
    await facts.read(PLACE)
    assert len(said.asked) - before == 6
    assert said.asked.count(ACCOUNTS) == 1


async def test_an_account_that_no_registered_subscription_holds_is_not_ours(said: Said) -> None:
    assert (await posture(said).read(Location("azure", "other/lots"))).account == Unknown("not-ours")
    said.answers[ACCOUNTS] = Refusal(403, "AuthorizationFailed")
    assert (await posture(said).read(Location("azure", "other/lots"))).account == Unknown("access-denied")


async def test_a_subscription_that_was_handed_over_is_not_ours(said: Said) -> None:
    said.answers[f"/subscriptions/{SUB}"] = {"subscriptionId": SUB, "tenantId": "another"}
    assert (await posture(said).read(PLACE)).account == Unknown("not-ours")
    said.answers[f"/subscriptions/{SUB}"] = ServiceRequestError("no route")
    assert (await posture(said).read(PLACE)).account == Unknown("unreachable")


async def test_without_a_registered_account_nothing_is_asked(said: Said) -> None:
    facts = AzurePosture(said, lambda provider: (), SystemClock())
    assert (await facts.read(PLACE)).account == Unknown("no-registered-account")
    assert said.asked == []


@pytest.mark.parametrize(
    ("sku", "replicas"),
    [
        ("Standard_LRS", ()),
        ("Standard_ZRS", ()),
        ("Premium_LRS", ()),
        ("StandardV2_ZRS", ()),
        ("Standard_RAGZRS", (ReplicaTarget("fab1-secondary", "koreasouth", "KR", OURS),)),
        ("Standard_Everywhere", Unknown("invalid-answer")),
    ],
)
async def test_copies_follow_from_the_redundancy(said: Said, sku: str, replicas: object) -> None:
    found = json.loads(json.dumps(said.answers[ACCOUNTS]))
    found["value"][0]["sku"]["name"] = sku
    said.answers[ACCOUNTS] = found
    assert (await posture(said).read(PLACE)).replicas == replicas


async def test_object_replication_names_its_targets(said: Said) -> None:
    rules = [
        {"sourceContainer": "lots", "destinationContainer": "there"},
        {"sourceContainer": "else", "destinationContainer": "x"},
    ]
    about = {
        "sourceAccount": ACCOUNT,
        "destinationAccount": "/subscriptions/x/resourceGroups/g/p/abroad",
        "rules": rules,
    }
    said.answers[f"{ACCOUNT}/objectReplicationPolicies"] = {"value": [{"properties": about}]}
    targets = (await posture(said).read(PLACE)).replicas
    assert targets[1:] == (
        ReplicaTarget("abroad/there", Unknown("not-read"), Unknown("not-read"), Unknown("not-ours")),
    )
    said.answers[f"{ACCOUNT}/objectReplicationPolicies"] = Refusal(403, "AuthorizationFailed")
    assert (await posture(said).read(PLACE)).replicas == Unknown("access-denied")


async def test_public_access(said: Said) -> None:
    said.change(ACCOUNTS, allowBlobPublicAccess=None)
    said.change(LOTS, publicAccess="Blob")
    facts = await posture(said).read(PLACE)
    assert (facts.public.blocked, facts.public.acl_public) == (False, True)
    said.answers[f"{BLOBS}/containers/$web"] = {"properties": {"publicAccess": "None"}}
    web = await posture(said).read(Location("azure", "fab1/$web"))
    assert (web.public.blocked, web.public.policy_public) == (False, True)


async def test_encryption_of_account_and_scope(said: Said) -> None:
    said.change(LOTS, defaultEncryptionScope="plain")
    assert (await posture(said).read(PLACE)).encryption.mode == "provider"
    said.change(LOTS, defaultEncryptionScope="held")
    assert (await posture(said).read(PLACE)).encryption.key.id == KEY
    said.change(LOTS, defaultEncryptionScope="gone")
    assert (await posture(said).read(PLACE)).encryption.mode == Unknown("no-such-key")
    assert (await posture(said).key(PLACE, "scope/held")).id == KEY
    assert (await posture(said).key(PLACE, "scope/plain")).manager == "provider"
    assert (await posture(said).key(PLACE, "scope/gone")).account == Unknown("no-such-key")


async def test_scopes_that_a_request_may_name_for_a_key(said: Said) -> None:
    listed = f"{ACCOUNT}/encryptionScopes"
    held = {"source": "Microsoft.KeyVault", "keyVaultProperties": {"keyUri": f"{KEY}/0123"}}
    rows = [
        {"name": name, "properties": {**held, "state": state}}
        for name, state in (("on", "Enabled"), ("off", "Disabled"))
    ]
    said.answers[listed] = {"value": [{"name": "unsaid", "properties": held}, {"name": 7}, *rows]}
    assert await posture(said).named(PLACE, [KEY]) == ["scope/on"]
    assert await posture(said).named(PLACE, [f"{KEY}-other"]) == []
    said.answers[listed] = Refusal(403, "AuthorizationFailed")
    assert await posture(said).named(PLACE, [KEY]) == []


async def test_a_key_in_a_vault_that_is_not_ours(said: Said) -> None:
    said.answers[f"/subscriptions/{SUB}/providers/Microsoft.KeyVault/vaults"] = {"value": []}
    assert (await posture(said).read(PLACE)).encryption.key.account == Unknown("not-ours")
    said.answers[f"/subscriptions/{SUB}/providers/Microsoft.KeyVault/vaults"] = Refusal(403, "AuthorizationFailed")
    assert (await posture(said).read(PLACE)).encryption.key.account == Unknown("access-denied")


async def test_a_container_that_is_not_there_and_one_that_may_not_be_read(said: Said) -> None:
    said.answers[LOTS] = Refusal(404, "ContainerNotFound")
    assert (await posture(said).read(PLACE)).exists is False
    said.answers[LOTS] = Refusal(403, "AuthorizationFailed")
    facts = await posture(said).read(PLACE)
    denied = Unknown("access-denied")
    assert (facts.exists, facts.encryption.mode, facts.public.acl_public, facts.object_lock) == (denied,) * 4


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (Refusal(429, "TooManyRequests"), "throttled"),
        (Refusal(503, "ServerBusy"), "server-error"),
        (Refusal(418, "Teapot"), "refused"),
        (ClientAuthenticationError("no token"), "bad-credentials"),
        (ServiceRequestError("no route"), "unreachable"),
        (ServiceRequestError("CERTIFICATE_VERIFY_FAILED"), "untrusted-certificate"),
        (ValueError("not json"), "invalid-answer"),
        (RuntimeError("?"), "not-understood"),
    ],
)
async def test_what_went_wrong_has_a_name(said: Said, error: Exception, cause: str) -> None:
    said.answers[ACCOUNTS] = error
    assert (await posture(said).read(PLACE)).account == Unknown(cause)
    assert f"unknown.{cause}" in catalogue()


@pytest.mark.parametrize("path", list(WHOLE))
@pytest.mark.parametrize(
    "answer", [{}, {"value": [{"name": 1, "properties": []}]}, {"properties": {"publicAccess": 7}}]
)
async def test_any_answer_is_survived(said: Said, path: str, answer: dict[str, Any]) -> None:
    said.answers[path] = answer
    await posture(said).read(PLACE)


async def test_of_an_emulator_only_the_place_is_known(said: Said) -> None:
    site = Site("127.0.0.1:10000", "azure", "azure", "koreacentral", "KR")
    place = Location("azure", "fab1/lots", endpoint="127.0.0.1:10000", store="127.0.0.1:10000")
    facts = await posture(said, sites=(site,)).read(place)
    assert (facts.country, facts.account, facts.exists) == ("KR", Unknown("not-supported"), Unknown("not-supported"))
    assert said.asked == []


async def test_containers_are_listed_by_subscription(said: Said) -> None:
    (listing,) = await AzureContainers(said, lambda provider: (OURS,)).listed()
    assert (listing.account, listing.cause) == (OURS, "")
    assert [bucket.url for bucket in listing.buckets] == ["azure://fab1/lots", "azure://fab1/$web"]
    said.answers[f"{BLOBS}/containers"] = Refusal(403, "AuthorizationFailed")
    (listing,) = await AzureContainers(said, lambda provider: (OURS,)).listed()
    assert (listing.cause, listing.buckets) == ("access-denied", ())


def test_every_cause_has_words() -> None:
    assert {cause for cause in CAUSES.values() if f"unknown.{cause}" not in catalogue()} == set()


def test_the_role_reads_settings_alone() -> None:
    role = json.loads(ROLE.read_text(encoding="utf-8"))
    assert role["DataActions"] == []
    assert all(action.endswith("/read") for action in role["Actions"])
    assert not any("listkeys" in action.lower() for action in role["Actions"])
