"""``haechi baseline buckets`` against an agent and a store: every bucket judged, and none left out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.lab import Laboratory
from tests.lab.institution import me
from tests.stores import AFFILIATE, OURS, MotoStore, build_landscape
from tests.stores.landscape import Landscape

pytestmark = pytest.mark.e2e
ROLE = "[affiliate]\nrole_arn = arn:aws:iam::{account}:role/haechi\nsource_profile = default\n"
"""A profile of the agent's that assumes a role in another account."""


@pytest.fixture(scope="module")
def place() -> Iterator[tuple[Laboratory, Landscape]]:
    with MotoStore() as store:
        land = build_landscape(store)
        with Laboratory(store=store) as lab:
            keys = [land.seoul_key, land.tokyo_key]
            lab.institution.publish(accounts=[OURS.id, AFFILIATE.id], keys=keys, personnel=[me()])
            lab.configure()
            with (lab.folder / "config" / "agent-credentials").open("a") as file:
                file.write(ROLE.format(account=AFFILIATE.id))
            lab.start()
            yield lab, land


@pytest.fixture(scope="module")
def told(place: tuple[Laboratory, Landscape]) -> dict[str, Any]:
    lab, _ = place
    found: dict[str, Any] = lab.asked("baseline", "buckets")
    return found


def rules(verdict: dict[str, Any]) -> set[str]:
    return {one["rule"] for one in verdict["findings"] if one["severity"] == "block"}


def test_every_bucket_of_the_account_is_there_and_no_other(told, place):
    _, land = place
    names = {one["container"] for one in told["listed"]}
    ours = {
        land.own_key, land.default_encrypted, land.public, land.replicating, land.tokyo, land.unreadable,
        land.accelerated, land.foreign_key, land.logs,
    }  # fmt: skip
    assert names == ours and told["buckets"] == len(ours)


def test_sealed_content_may_go_where_the_bucket_is_as_it_has_to_be(told, place):
    _, land = place
    found = {one["container"]: one for one in told["listed"]}
    good = found[land.own_key]
    assert (good["sealed"]["effect"], good["plain"]["effect"], good["unknown"]) == ("allow", "block", [])
    assert (good["region"], good["country"], good["owner"]) == ("ap-northeast-2", "KR", OURS.id)
    assert rules(good["plain"]) == {"r13_layer1"}
    assert "r10_region" in rules(found[land.tokyo]["sealed"])
    assert "r30_public_access" in rules(found[land.public]["sealed"])
    assert "r11_replicas" in rules(found[land.replicating]["sealed"])
    assert found[land.public]["unknown"] == []
    assert all(one["remedy"] for one in found[land.public]["sealed"]["findings"] if one["severity"] == "block")


def test_a_bucket_that_cannot_be_read_is_unknown_and_not_left_out(told, place):
    _, land = place
    (closed,) = (one for one in told["listed"] if one["container"] == land.unreadable)
    assert closed["unknown"] == ["access-denied"]
    assert closed["sealed"]["effect"] == "block" and "unknown_facts" in rules(closed["sealed"])


def test_a_registered_account_that_the_agent_cannot_list_is_named(told):
    causes = {one["account"]: (one["cause"], one["registered"]) for one in told["listings"]}
    assert causes == {OURS.id: (None, True), AFFILIATE.id: ("other-account", True)}
    assert told["complete"] is False


def test_a_profile_that_assumes_a_role_lists_and_reads_another_account(place):
    lab, land = place
    found = lab.asked("baseline", "buckets", "--profile", "affiliate", "--profile", "forgotten")
    causes = [(one["account"], one["access"], one["cause"]) for one in found["listings"]]
    assert causes == [
        (OURS.id, None, None),
        (AFFILIATE.id, "affiliate", None),
        ({"unknown": "no-credentials"}, "forgotten", "no-credentials"),
    ]
    (theirs,) = (one for one in found["listed"] if one["container"] == land.affiliate)
    assert (theirs["access"], theirs["owner"], theirs["unknown"]) == ("affiliate", AFFILIATE.id, [])
    assert found["complete"] is False, "a profile that is not there is no account that was listed"
    said = lab.haechi("baseline", "buckets", "--profile", "affiliate").said
    assert "(profile affiliate)" in said and "other-account" not in said


def test_a_person_reads_a_table_with_remedies(place):
    lab, land = place
    done = lab.haechi("baseline", "buckets")
    assert done.status == 1, done.said
    assert land.own_key in done.out and "→" in done.out and AFFILIATE.id in done.out
    assert f"Something about {land.unreadable} is not known" in done.out


def test_nothing_was_uploaded_or_recorded_as_a_decision(place):
    lab, _ = place
    assert lab.decisions() == []


def test_check_says_that_the_shipped_policies_enforce(place):
    lab, _ = place
    done = lab.haechi("baseline", "check")
    assert done.status == 1
    assert "haechi policy sign" in done.out and "monitor" in done.out
