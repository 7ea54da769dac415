"""Buckets that turn worse behind the agent's back, against a real agent and an emulated store: found, named, mended."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.e2e.s3_lab import World, world
from tests.e2e.test_s3_facts import own_bucket, put
from tests.stores import AGENT
from tests.stores.landscape import ALL_FLAGS, READ_SETTINGS, _policy, _replicate, _statement

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]
KEY = "designs/recipe.bin.age"


@pytest.fixture(scope="module")
def at() -> Iterator[World]:
    with world("moto", more="[drift]\ninterval = 0\n") as made:
        yield made


def filled(at: World, name: str, logs: str = "") -> str:
    """A compliant bucket that sealed content went to."""
    own_bucket(at, name)
    ours = at.store.client()
    ours.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=ALL_FLAGS)
    if logs:
        target = {"LoggingEnabled": {"TargetBucket": logs, "TargetPrefix": name}}
        ours.put_bucket_logging(Bucket=name, BucketLoggingStatus=target)
    assert at.accepted(put(at, name, KEY, at.sealed))
    return name


def found(at: World, name: str, *arguments: str) -> dict[str, dict[str, Any]]:
    """Open findings about a bucket by kind."""
    document = at.lab.asked("drift", *arguments)
    return {one["kind"]: one for one in document["findings"] if one["container"] == name}


def opened(at: World, name: str) -> None:
    ours = at.store.client()
    ours.delete_public_access_block(Bucket=name)
    ours.put_bucket_acl(Bucket=name, ACL="public-read")


def closed(at: World, name: str) -> None:
    ours = at.store.client()
    ours.put_bucket_acl(Bucket=name, ACL="private")
    ours.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=ALL_FLAGS)


def key_id(at: World) -> str:
    """The key's id alone: the emulator changes no key by its whole name."""
    return at.land.seoul_key.rpartition("/")[2]


def disabled(at: World, name: str) -> None:
    at.store.client("kms").disable_key(KeyId=key_id(at))


def enabled(at: World, name: str) -> None:
    at.store.client("kms").enable_key(KeyId=key_id(at))


CHANGES: dict[str, tuple[Callable[[World, str], object], Callable[[World, str], object], str]] = {
    "public": (opened, closed, "r30_public_access"),
    "replicas": (
        lambda at, name: _replicate(at.store.client(), name, at.land.tokyo),
        lambda at, name: at.store.client().delete_bucket_replication(Bucket=name),
        "r11_replicas",
    ),
    "key": (disabled, enabled, ""),
    "unreadable": (
        lambda at, name: _policy(at.store.client(), name, _statement("Deny", READ_SETTINGS, name, [AGENT.arn])),
        lambda at, name: at.store.client().delete_bucket_policy(Bucket=name),
        "unknown_facts",
    ),
    "versioning": (
        lambda at, name: at.store.client().put_bucket_versioning(
            Bucket=name, VersioningConfiguration={"Status": "Suspended"}
        ),
        lambda at, name: at.store.client().put_bucket_versioning(
            Bucket=name, VersioningConfiguration={"Status": "Enabled"}
        ),
        "",
    ),
    "logging": (
        lambda at, name: at.store.client().put_bucket_logging(Bucket=name, BucketLoggingStatus={}),
        lambda at, name: at.store.client().put_bucket_logging(
            Bucket=name, BucketLoggingStatus={"LoggingEnabled": {"TargetBucket": at.land.logs, "TargetPrefix": name}}
        ),
        "r09_logging",
    ),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_a_bucket_that_turns_worse_is_found_with_its_objects_and_mended(at: World, kind: str) -> None:
    change, mend, rule = CHANGES[kind]
    name = filled(at, f"haechi-drifting-{kind}", at.land.logs if kind == "logging" else "")
    assert found(at, name, "--now") == {}
    change(at, name)
    told = found(at, name, "--now")
    assert kind in told, told
    assert [one["key"] for one in told[kind]["objects"]] == [KEY]
    assert told[kind]["objects"][0]["sealed"] is True and told[kind]["objects_total"] == 1
    assert not rule or rule in {one["rule"] for one in told[kind]["rules"]}
    mend(at, name)
    assert kind not in found(at, name, "--now")
    ended = found(at, name, "--all")[kind]
    assert ended["state"] == "mended"


def test_it_stays_open_over_a_restart_and_is_on_record_once(at: World) -> None:
    name = filled(at, "haechi-drifting-restart")
    opened(at, name)
    first = found(at, name, "--now")["public"]
    at.lab.stop()
    at.lab.start()
    at.connect()
    assert found(at, name)["public"]["id"] == first["id"]
    assert found(at, name, "--now")["public"]["id"] == first["id"]
    lines = [line for file in sorted(at.lab.audit.glob("*.jsonl")) for line in file.read_text().splitlines()]
    events = [json.loads(line)["event"] for line in lines if '"kind":"drift"' in line]
    mine = [one for one in events if one.get("id") == first["id"]]
    assert [one["act"] for one in mine] == ["open"]
    assert [one["key"] for one in mine[0]["objects"]] == [KEY]
    closed(at, name)
    assert found(at, name, "--now") == {}


def test_people_read_what_was_and_is_and_what_to_do(at: World) -> None:
    name = filled(at, "haechi-drifting-read")
    opened(at, name)
    done = at.lab.haechi("drift", "--now")
    assert done.status == 1, done.said
    assert f"{name}: it turned public" in done.out and "closed → everybody can read" in done.out
    assert KEY in done.out and "→ " in done.out
    korean = at.lab.haechi("drift", HAECHI_LANG="ko")
    assert "공개됨" in korean.out and "닫힘 → 누구나 읽을 수 있음" in korean.out
    closed(at, name)
    assert found(at, name, "--now") == {}


def test_an_upload_after_the_look_is_judged_by_what_was_found(at: World) -> None:
    """The facts that uploads still had are not used any longer."""
    name = filled(at, "haechi-drifting-upload")
    opened(at, name)
    assert "public" in found(at, name, "--now")
    assert put(at, name, "again", at.sealed).refused
    closed(at, name)


def test_objects_are_listed_by_container_and_by_content(at: World) -> None:
    name = filled(at, "haechi-listed")
    (one,) = at.lab.asked("objects", "--container", f"s3://{name}")["objects"]
    assert (one["key"], one["sealed"], one["container"]) == (KEY, True, name)
    assert one["decision"] and one["user"]
    assert at.lab.haechi("explain", one["decision"]).status == 0
    for content in (at.lab.work / "recipe.bin", at.lab.work / "recipe.bin.age"):
        listed = at.lab.asked("objects", "--content", content)["objects"]
        assert name in {found["container"] for found in listed}, content
    (at.lab.work / "other.bin").write_bytes(at.harmless)
    assert at.lab.haechi("objects", "--content", at.lab.work / "other.bin").status == 1


def test_the_store_says_which_objects_are_there(at: World) -> None:
    name = filled(at, "haechi-there")
    assert at.accepted(put(at, name, "designs/recipe", at.sealed))
    at.store.client().delete_object(Bucket=name, Key="designs/recipe")
    at.lab.asked("drift", "--now")
    listed = at.lab.asked("objects", "--container", name)["objects"]
    assert {one["key"]: one["at_store"] for one in listed} == {KEY: True, "designs/recipe": False}
    assert all(one["asked_at"] for one in listed)


def test_findings_go_out_as_ocsf(at: World) -> None:
    done = at.lab.haechi("audit", "export", "--format", "ocsf")
    events = [json.loads(line) for line in done.out.splitlines()]
    drifts = [one for one in events if one.get("finding_info", {}).get("title", "").startswith("drift:")]
    assert {one["activity_name"] for one in drifts} == {"Create", "Close"}
    assert {one["class_uid"] for one in drifts} == {2006}
