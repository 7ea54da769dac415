"""Facts about buckets, asked by the real client of a server that answers as the API description says.

Not run against an implementation: no emulator knows IAM, prevention of public access or keys.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from haechi.domain.destination import ReplicaTarget
from haechi.domain.facts import Unknown
from haechi.domain.upload import Location
from haechi.outbound.clock import SystemClock
from haechi.ports.cloud import Institution, Way
from haechi_connectors.gcs.cloud import GcsAsk
from haechi_connectors.gcs.details import APPEND

from tests.unit.gcs.published import KEY, PROJECT, Google, described

PLACE = Location("gcp", "ours")
SEVERAL = Unknown("several-places")


@pytest.fixture
def google() -> Iterator[Google]:
    with Google() as server:
        described(server)
        yield server


@pytest.fixture
def ask(google: Google, tmp_path: Path) -> GcsAsk:
    way = Way(
        endpoints={"storage": google.url, "cloudkms": google.url},
        credentials={"credentials_file": str(google.credentials(tmp_path))},
    )
    return GcsAsk(way, Institution(lambda provider: (PROJECT,) if provider == "gcp" else ()), SystemClock())


async def read(ask: GcsAsk, place: Location = PLACE):
    facts = ask.facts()
    try:
        return await facts.read(place)
    finally:
        facts.close()


async def test_everything_of_a_bucket_of_ours(ask: GcsAsk) -> None:
    facts = await read(ask)
    assert (facts.exists, facts.region, facts.country, facts.account) == (True, "asia-northeast3", "KR", PROJECT)
    assert (facts.replicas, facts.versioning, facts.object_lock, facts.logging) == ((), "enabled", True, "logs")
    assert (facts.public.blocked, facts.public.acl_public, facts.public.policy_public) == (True, False, False)
    key = facts.encryption.key
    assert facts.encryption.mode == "kms"
    assert (key.id, key.account, key.country, key.origin) == (KEY, "nct", "KR", "HSM")
    assert (key.manager, key.multi_region, key.enabled) == ("customer", False, True)


async def test_two_rounds_are_enough(ask: GcsAsk, google: Google) -> None:
    await read(ask)
    assert len(set(google.asked)) == 5  # the SDK asks about a bucket once more by itself, beside
    assert google.asked[-1] == f"/v1/{KEY}"


@pytest.mark.parametrize(
    ("changed", "country", "replicas"),
    [
        ({"location": "US", "locationType": "multi-region"}, SEVERAL, SEVERAL),
        (
            {
                "location": "ASIA",
                "locationType": "dual-region",
                "customPlacementConfig": {"dataLocations": ["ASIA-NORTHEAST3", "ASIA-NORTHEAST1"]},
            },
            SEVERAL,
            (
                ReplicaTarget("ours", "asia-northeast3", "KR", PROJECT),
                ReplicaTarget("ours", "asia-northeast1", "JP", PROJECT),
            ),
        ),
        ({"location": "ASIA1", "locationType": "dual-region"}, SEVERAL, SEVERAL),
        ({"location": "MOON-NORTH1"}, Unknown("region-not-listed"), ()),
        ({"locationType": None}, Unknown("invalid-answer"), SEVERAL),
    ],
)
async def test_only_one_region_is_one_country(ask: GcsAsk, google: Google, changed, country, replicas) -> None:
    google.bucket(**changed)
    facts = await read(ask)
    assert (facts.country, facts.replicas) == (country, replicas)


@pytest.mark.parametrize(
    ("members", "condition", "public"),
    [
        (["allUsers"], None, True),
        (["user:a@b", "allAuthenticatedUsers"], None, True),
        (["allUsers"], {"expression": "true"}, Unknown("conditional-policy")),
        (["user:a@b"], {"expression": "true"}, False),
    ],
)
async def test_whom_the_policy_lets_in(ask: GcsAsk, google: Google, members, condition, public) -> None:
    binding = {"role": "roles/storage.objectViewer", "members": members} | (
        {"condition": condition} if condition else {}
    )
    google.answers["/storage/v1/b/ours/iam"] = {"version": 3, "bindings": [binding]}
    assert (await read(ask)).public.policy_public == public


@pytest.mark.parametrize("which", ["acl", "defaultObjectAcl"])
async def test_access_lists_count_where_access_is_not_uniform(ask: GcsAsk, google: Google, which: str) -> None:
    google.bucket(iamConfiguration={"publicAccessPrevention": "inherited"})
    for name in ("acl", "defaultObjectAcl"):
        google.answers[f"/storage/v1/b/ours/{name}"] = {"items": [{"entity": "project-owners-1", "role": "OWNER"}]}
    facts = await read(ask)
    assert (facts.public.blocked, facts.public.acl_public) == (False, False)
    google.answers[f"/storage/v1/b/ours/{which}"] = {"items": [{"entity": "allUsers", "role": "READER"}]}
    assert (await read(ask)).public.acl_public is True
    google.answers[f"/storage/v1/b/ours/{which}"] = 403
    assert (await read(ask)).public.acl_public == Unknown("access-denied")


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        (403, "access-denied"),
        (401, "bad-credentials"),
        (429, "throttled"),
        (503, "server-error"),
        (404, "no-such-container"),
    ],
)
async def test_what_cannot_be_read_is_unknown(ask: GcsAsk, google: Google, status: int, cause: str) -> None:
    google.answers["/storage/v1/b/ours"] = status
    facts = await read(ask)
    assert (facts.account, facts.country, facts.replicas) == (Unknown(cause),) * 3
    assert facts.exists == (False if status == 404 else Unknown(cause))


async def test_a_key_that_cannot_be_read_keeps_what_its_name_says(ask: GcsAsk, google: Google) -> None:
    google.answers[f"/v1/{KEY}"] = 403
    key = (await read(ask)).encryption.key
    assert (key.account, key.country, key.origin, key.enabled) == ("nct", "KR", Unknown("access-denied"),
                                                                  Unknown("access-denied"))  # fmt: skip


async def test_a_global_key_has_no_country(ask: GcsAsk, google: Google) -> None:
    name = KEY.replace("asia-northeast3", "global")
    google.bucket(encryption={"defaultKmsKeyName": name})
    key = (await read(ask)).encryption.key
    assert (key.country, key.multi_region) == (SEVERAL, True)


async def test_without_a_key_the_provider_encrypts(ask: GcsAsk, google: Google) -> None:
    google.bucket(encryption=None)
    facts = await read(ask)
    assert (facts.encryption.mode, facts.encryption.key) == ("provider", None)


async def test_a_key_that_a_request_names(ask: GcsAsk) -> None:
    facts = ask.facts()
    assert (await facts.key(PLACE, KEY)).origin == "HSM"
    assert (await facts.key(PLACE, "alias")).account == Unknown("not-a-key-name")
    facts.close()


async def test_nothing_of_the_persons_own_is_used(
    google: Google, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(google.credentials(tmp_path)))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("GCE_METADATA_HOST", "127.0.0.1:1")
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", google.url)
    ask = GcsAsk(Way(endpoints={"storage": google.url}), Institution(lambda provider: ()), SystemClock())
    facts = await read(ask)
    assert facts.account == Unknown("no-credentials")
    assert google.asked == []
    assert os.environ["STORAGE_EMULATOR_HOST"] == google.url


async def test_the_buckets_of_each_registered_project(ask: GcsAsk, google: Google) -> None:
    google.answers["/storage/v1/b"] = {"items": [{"name": "ours", "location": "ASIA-NORTHEAST3"}]}
    (listing,) = await ask.lists().listed()
    assert (listing.account, listing.cause, listing.buckets[0].url) == (PROJECT, "", "gs://ours")
    google.answers["/storage/v1/b"] = 403
    (listing,) = await ask.lists().listed()
    assert (listing.buckets, listing.cause) == ((), "access-denied")


async def test_whether_an_object_is_there_is_asked_by_its_name_alone(ask: GcsAsk, google: Google) -> None:
    facts = ask.facts()
    there = "/storage/v1/b/ours/o"
    for listed, found in (([{"name": "a/k"}], True), ([{"name": "a/k2"}], False), ([], False)):
        google.answers[there] = {"kind": "storage#objects", "items": listed}
        assert await facts.there(Location("gcp", "ours", "a/k")) is found
    google.answers[there] = 403
    assert await facts.there(Location("gcp", "ours", "a/k")) == Unknown("access-denied")
    asked = len(google.asked)
    assert await facts.there(Location("gcp", "ours", f"{APPEND}id")) == Unknown("no-object-name")
    assert await facts.there(Location("gcp", "", "k")) == Unknown("no-container")
    assert len(google.asked) == asked
    facts.close()
