"""Enforced mode for real: `haechi install` with the real agent, clients of several users, S3's own host names."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
DAC_READ_SEARCH, SYS_PTRACE = 2, 19
pytestmark = [pytest.mark.root, pytest.mark.timeout(580)]
REFUSED = (
    "curl",
    "curl-v6",
    "boto",
    "aws",
    "other",
    "root",
    "container",
    "container-v6",
    "stripped",
    "opened",
    "again",
)
"""Of content that is recognised."""
ARRIVE = ("notes", "notes-v6", "notes-boto", "notes-container", "sealed", "notes-again", "harmless")
ENGINEERS = ("curl", "curl-v6", "boto", "aws", "stripped", "notes", "notes-v6", "notes-boto", "sealed")


@functools.cache
def story() -> dict[str, Any]:
    command = [
        "unshare", "--mount", "--net", "--pid", "--fork", "--mount-proc", "--kill-child", "--propagation", "private",
        sys.executable, "-m", "tests.root.enforced",
    ]  # fmt: skip
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=540, check=False, env={**os.environ, "PATH": path}
    )
    assert done.returncode == 0, done.stderr[-6000:]
    return dict(json.loads(done.stdout))


def upload(key: str) -> dict[str, Any]:
    return dict(story()["uploads"][key])


def test_everything_stands_and_every_part_works() -> None:
    assert story()["install"]["status"] == 0, story()["install"]["said"]
    assert set(story()["state"].values()) == {True}
    assert set(story()["parts"].values()) == {"ok"}
    assert story()["interpreted"] == "", "the copy has the compiler, and the service may run it"


@pytest.mark.parametrize("user", ["engineer", "root"])
def test_status_says_enforced_to_everybody(user: str) -> None:
    said = story()[f"status_{user}"]
    assert said["status"] == 0
    assert "enforced: every user of this machine is judged." in said["said"]


def test_the_agent_has_two_capabilities_and_envoy_none() -> None:
    held = {one["command"].split()[0].rpartition("/")[2]: one for one in story()["processes"]}
    assert int(held["python"]["CapEff"], 16) == 1 << DAC_READ_SEARCH | 1 << SYS_PTRACE
    assert int(held["envoy"]["CapEff"], 16) == 0
    assert {one["NoNewPrivs"] for one in held.values()} == {"1"}


def test_what_the_engineer_encrypted_after_opening_a_tagged_file_never_arrives() -> None:
    assert upload("hidden")["held"] is None, upload("hidden")
    assert "opened tagged content" in upload("hidden")["said"]
    assert story()["decided"]["hidden"]["rules"] == ["opaque_after_read"]
    assert "/home/engineer/holiday.jpg" in story()["explain_hidden"]["said"]


def test_what_somebody_encrypted_who_opened_none_arrives_and_is_recorded() -> None:
    assert story()["decided"]["harmless"]["rules"] == ["opaque"]


def test_the_service_sees_which_process_opens_files() -> None:
    assert (story()["reads"]["sees"], story()["reads"]["state"]) == ("processes", "ok")


def test_an_engineer_tags_in_a_home_that_only_the_engineer_may_enter() -> None:
    assert story()["tag"]["status"] == 0, story()["tag"]["said"]
    assert "/home/engineer/holiday.jpg" in story()["tags_engineer"]["said"], "the new name, after the rename"


@pytest.mark.parametrize("key", REFUSED)
def test_tagged_content_is_refused_with_the_words_and_never_arrives(key: str) -> None:
    assert upload(key)["held"] is None, upload(key)
    assert "Haechi refused this upload. [R13" in upload(key)["said"], upload(key)
    assert "Decision hd-" in upload(key)["said"]


@pytest.mark.parametrize("key", ARRIVE)
def test_untagged_and_sealed_content_arrives(key: str) -> None:
    assert upload(key)["status"] == 0, upload(key)
    assert upload(key)["held"] is not None


def test_sealed_content_stays_in_the_country() -> None:
    assert upload("sealed-tokyo")["held"] is None
    assert "R10" in upload("sealed-tokyo")["said"]


@pytest.mark.parametrize("key", ENGINEERS)
def test_the_record_names_the_engineer(key: str) -> None:
    made = story()["decided"][key]
    assert (made["user"], made["certainty"], made["way"]) == ("engineer", "exact", "redirect")


def test_the_record_names_other_users_and_says_where_nobody_can_be_named() -> None:
    decided = story()["decided"]
    assert (decided["other"]["user"], decided["opened"]["user"], decided["root"]["user"]) == (
        "colleague", "colleague", "root"
    )  # fmt: skip
    assert decided["container"]["user"] == {"unknown": "other-namespace"}


def test_sealing_and_unsealing_work_across_users_and_homes() -> None:
    assert story()["seal"]["status"] == 0, story()["seal"]["said"]
    assert story()["unseal"]["status"] == 0, story()["unseal"]["said"]
    assert story()["opened"] == {"owner": "colleague", "same": True, "attribute": True}


def test_an_engineer_reaches_nothing_that_is_the_agents() -> None:
    looked = story()["looked_at"]
    assert {"index.sqlite", "authority.pem", "checkpoint.pem", "envoy.json", "credentials"} <= set(looked)
    assert story()["credentials"] == "600"
    assert (story()["readable"], story()["listable"], story()["writable"]) == ([], [], [])
    assert not story()["killable"]


def test_who_may_ask_what() -> None:
    seen = story()
    assert (seen["explain_own"]["status"], seen["explain_root"]["status"]) == (0, 0)
    assert seen["explain_others"]["status"] == 1
    assert "needs the role engineer" in seen["tags_service"]["said"]
    assert "systemctl stop haechi-agent" in seen["stop"]["said"]
    for who in ("start_engineer", "start_root", "run_root"):
        assert "systemctl start haechi-agent" in seen[who]["said"], "the agent runs as the service's user only"
    assert seen["tail_engineer"]["status"] != 0 and "needs the role officer" in seen["tail_engineer"]["said"]
    for command in ("tail", "verify", "export"):
        assert seen[f"{command}_officer"]["status"] == 0, seen[f"{command}_officer"]["said"]
    assert "/holiday.jpg" in seen["export_officer"]["said"] or "R13" in seen["export_officer"]["said"]
    assert "holiday.jpg" in seen["tags_officer"]["said"]
    assert "holiday.jpg" not in seen["tags_other"]["said"], "the home of another is closed"
    assert seen["check"]["status"] == 1
    assert "R13" in seen["check"]["said"]


def test_an_officer_tries_policies_on_the_audit_without_being_able_to_read_its_folder() -> None:
    assert story()["audit_as_officer"] != 0
    same = json.loads(story()["replay_officer"]["said"])
    assert (same["changed"], same["complete"]) == (0, True) and same["judged"] >= len(REFUSED) // 2
    assert same["candidate"]["interpreted"] is None, "whoever tries policies may run the compiler too"
    milder = json.loads(story()["replay_milder"]["said"])
    assert milder["changes"]["newly_allowed"] >= 5 and milder["by_mode"] == milder["changed"]
    assert {"E-1", "engineer"} & {row["name"] for row in milder["users"]["rows"]}


def test_an_officer_reads_the_first_weeks_report_and_the_buckets() -> None:
    report = json.loads(story()["report_officer"]["said"])
    assert report["effects"]["block"] >= 5 and "r13_layer1" in {row["name"] for row in report["rules"]["rows"]}
    assert story()["report_officer"]["status"] == 1
    buckets = json.loads(story()["buckets_officer"]["said"])
    assert buckets["buckets"] >= 5 and buckets["as_user"] == "engineer"


@pytest.mark.parametrize("command", ["replay", "report", "buckets"])
def test_an_engineer_is_told_none_of_it(command: str) -> None:
    told = story()[f"{command}_engineer"]
    assert told["status"] in (1, 3)
    assert "error" in json.loads(told["said"])


def test_everybody_may_ask_whether_the_agent_only_watches() -> None:
    assert story()["baseline_check"]["status"] == 1
    assert "Enforce mode" in story()["baseline_check"]["said"]


def test_quic_is_refused_for_users_and_containers_on_both_families() -> None:
    assert set(map(tuple, story()["udp"].values())) == {("PermissionError", "ConnectionRefusedError")}


@pytest.mark.parametrize("key", ["dead-0", "dead-1", "dead-container-0", "dead-container-1"])
def test_a_killed_agent_refuses_at_once_with_words(key: str) -> None:
    assert upload(key)["held"] is None
    assert "its judge did not answer" in upload(key)["said"]


@pytest.mark.parametrize("key", ["gone", "gone-boto"])
def test_with_everything_killed_the_machine_stays_closed(key: str) -> None:
    assert "envoy" in story()["lingering"]
    assert upload(key)["held"] is None
    assert "connect" in upload(key)["said"].lower()


def test_a_root_that_a_changed_scope_made_is_said_and_installing_again_mends_it() -> None:
    scope = story()["status_scope"]
    assert scope["status"] == 1
    assert "does not trust the root certificate" in " ".join(scope["said"].split())
    assert upload("untrusted")["held"] is None
    assert story()["install_again"]["status"] == 0
    assert story()["status_again"]["status"] == 0


def test_the_audit_verifies_after_all_that() -> None:
    assert story()["verify"]["status"] == 0, story()["verify"]["said"]


def test_uninstalling_leaves_nothing_and_the_network_as_it_was() -> None:
    assert story()["uninstall"]["status"] == 0
    assert story()["left"] == []
    assert story()["running"] == []
    assert upload("free")["held"] is not None
