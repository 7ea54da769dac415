"""`haechi install` and `uninstall` for real, as root, in namespaces of their own: what they do, and what they leave."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.root.sandbox import SCENARIOS, difference, snapshot

ROOT = Path(__file__).resolve().parents[2]
DAC_READ_SEARCH, SYS_PTRACE, SYS_ADMIN = 2, 19, 21
ALL = {"user", "program", "configuration", "service_installed", "service_active", "authority_trusted", "rules_loaded"}


TOUCHED = (
    "/etc/passwd",
    "/etc/group",
    "/etc/shadow",
    "/etc/ssl/",
    "/usr/local/share/ca-certificates",
    "nft",
    "addresses",
)


def machine() -> dict[str, str]:
    """All of this machine that an installation changes: accounts, roots, rules, and whatever bears its name."""
    seen = snapshot()
    return {name: what for name, what in seen.items() if "haechi" in name or name.startswith(TOUCHED)}


@pytest.fixture(scope="module", autouse=True)
def before() -> dict[str, str]:
    """This machine before any scenario ran."""
    return machine()


@functools.cache
def scenario(name: str) -> dict[str, Any]:
    command = [
        "unshare", "--mount", "--net", "--pid", "--fork", "--mount-proc", "--kill-child", "--propagation", "private",
        sys.executable, "-m", "tests.root.sandbox", name,
    ]  # fmt: skip
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=110, check=False, env={**os.environ, "PATH": path}
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(json.loads(done.stdout))


def test_everything_stands_after_an_installation() -> None:
    seen = scenario("installs")
    assert not any(seen["absent"].values())
    assert seen["state"] == dict.fromkeys(ALL, True)
    assert seen["told"][0] == "install.step-user"
    assert seen["told"][-1] == "install.step-rules", (
        "the rules come last: until the agent answers the machine is usable"
    )


def test_the_agent_starts_as_its_user_with_three_capabilities() -> None:
    seen = scenario("installs")
    about = seen["about"]
    assert about["uid"] == seen["uid"] != 0
    # The real one gives SYS_ADMIN up before anything else: tests/root/test_enforced_agent.py.
    given = 1 << DAC_READ_SEARCH | 1 << SYS_PTRACE | 1 << SYS_ADMIN
    assert int(about["CapEff"], 16) == int(about["CapBnd"], 16) == given
    assert about["no_new_privs"] == "1"
    assert about["groups"] == []
    assert seen["passwd"].endswith(":/var/lib/haechi:/usr/sbin/nologin")


def test_the_engineer_owns_nothing_of_it() -> None:
    seen = scenario("installs")
    assert seen["owned"] == []
    assert seen["engineer_reads_keys"] != 0
    assert seen["engineer_writes_program"] != 0
    assert seen["engineer_reads_root"] == 0
    assert seen["modes"] == {"/etc/haechi": "755", "/var/lib/haechi": "711", "/var/lib/haechi/keys": "700"}


def test_the_copied_program_is_complete() -> None:
    seen = scenario("installs")
    assert seen["imports"] == ""
    assert seen["version"].strip()
    assert seen["launcher"] == "/opt/haechi/bin/haechi"


def test_the_system_trusts_the_root_certificate() -> None:
    assert scenario("installs")["trusted"].endswith(": OK")


def test_installing_again_only_starts_anew() -> None:
    seen = scenario("installs")
    assert {"install.step-user", "install.step-program", "install.step-authority"}.isdisjoint(seen["again"])
    assert seen["state_again"] == dict.fromkeys(ALL, True)


def test_uninstalling_leaves_no_trace_and_may_be_repeated() -> None:
    seen = scenario("installs")
    assert seen["left"] == []
    assert seen["left_twice"] == []
    assert not any(seen["gone"].values())


def test_an_agent_that_does_not_start_leaves_the_machine_as_it_was() -> None:
    seen = scenario("fails")
    assert seen["code"] == "install.not-ready"
    assert "install.step-rules" not in seen["told"]
    assert seen["left"] == []


def test_the_audit_outlives_an_uninstallation_for_root_alone() -> None:
    seen = scenario("keeps_audit")
    assert seen["left"] == ["/var/lib/haechi", "/var/lib/haechi/audit", "/var/lib/haechi/audit/segment.jsonl"]
    assert list(seen["modes"].values()) == ["700 0", "700 0", "600 0"]


def test_what_was_half_removed_by_hand_is_removed_whole() -> None:
    seen = scenario("half_installed")
    assert not seen["state"]["rules_loaded"]
    assert not seen["state"]["program"]
    assert seen["left"] == []


def test_this_machine_itself_was_not_touched(before: dict[str, str]) -> None:
    """Whatever stood here before, an installed Haechi included, stands as it did."""
    for name in SCENARIOS:
        scenario(name)
    assert difference(before, machine()) == []
