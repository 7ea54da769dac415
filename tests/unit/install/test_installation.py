"""Steps, their order, and what a failure at any of them leaves."""

from __future__ import annotations

from pathlib import Path

import pytest
from haechi.app.installing import Installation, Plan
from haechi.domain.errors import HaechiError
from haechi.ports.system import System

from tests.unit.install.fake_system import FakeSystem

SOURCE = Path("/srv/institution")
CHANGES = (
    "add_user", "copy_program", "link", "copy_folder", "make_folder", "install_service", "start_service", "anchor",
    "load_rules",
)  # fmt: skip


def machine(**options: bool | str) -> FakeSystem:
    made = FakeSystem(**options)  # type: ignore[arg-type]
    made.files[SOURCE / "trust.yaml"] = (b"{}", 0o644, "root")
    made.files[SOURCE / "policies"] = (None, 0o755, "root")
    return made


def installation(system: System, **options: object) -> Installation:
    return Installation(system, Plan(source=SOURCE, **options))  # type: ignore[arg-type]


def test_every_step_stands_and_the_rules_came_last() -> None:
    system = machine()
    installation(system).install(lambda code, params: None)
    assert installation(system).state().installed
    assert system.changes[-1] == "load_rules"
    assert system.rules is not None
    assert system.rules.exempt_uid == 990


@pytest.mark.parametrize("change", CHANGES)
def test_a_failure_at_any_step_undoes_all_before_it(change: str) -> None:
    system = machine(fails_at=change)
    before = system.everything()
    with pytest.raises(HaechiError, match=r"install\.command-failed"):
        installation(system).install(lambda code, params: None)
    assert system.everything() == before


def test_an_agent_that_never_answers_undoes_all() -> None:
    system = machine()
    system.agent_answers = False
    before = system.everything()
    with pytest.raises(HaechiError, match=r"install\.not-ready"):
        installation(system).install(lambda code, params: None)
    assert system.everything() == before
    assert "load_rules" not in system.changes


def test_a_failed_update_leaves_the_old_installation_enforced() -> None:
    system = machine()
    installation(system).install(lambda code, params: None)
    system.agent_answers, system.running = False, "v2"
    with pytest.raises(HaechiError, match=r"install\.not-ready"):
        installation(system).install(lambda code, params: None)
    assert system.rules is not None, "a dead agent refuses; it does not open"
    assert system.uid("haechi") == 990
    for folder in ("/opt/haechi", "/etc/haechi", "/var/lib/haechi"):
        assert system.exists(Path(folder))


def test_without_policies_nothing_is_begun() -> None:
    system = FakeSystem()
    with pytest.raises(HaechiError, match=r"install\.no-configuration"):
        installation(system).install(lambda code, params: None)
    assert system.changes == []


def test_without_root_nothing_is_begun() -> None:
    system = machine(root=False)
    for act in (
        lambda: installation(system).install(lambda code, params: None),
        lambda: installation(system).uninstall(lambda code, params: None, purge=True),
    ):
        with pytest.raises(HaechiError, match=r"install\.not-root"):
            act()
    assert system.changes == []


def test_a_rehearsal_names_every_step_and_changes_nothing() -> None:
    system = machine(root=False)
    codes: list[str] = []
    installation(system).install(lambda code, params: codes.append(code), rehearse=True)
    assert len(codes) == 10
    assert system.changes == []


def test_uninstalling_goes_back_to_how_it_was() -> None:
    system = machine()
    before = system.everything()
    installation(system).install(lambda code, params: None)
    installation(system).uninstall(lambda code, params: None, purge=True)
    assert system.everything() == before
    assert not installation(system).state().traces


def test_the_audit_stays_unless_purged() -> None:
    system = machine()
    installation(system).install(lambda code, params: None)
    record = Path("/var/lib/haechi/audit/000.jsonl")
    system.files[record] = (b"{}", 0o600, "haechi")
    installation(system).uninstall(lambda code, params: None, purge=False)
    assert system.files[record] == (b"{}", 0o600, "root")
    assert not [p for p in system.files if Path("/var/lib/haechi/keys") in (p, *p.parents)]
    installation(system).install(lambda code, params: None)
    installation(system).uninstall(lambda code, params: None, purge=True)
    assert record not in system.files


def test_evidence_from_before_outlives_a_failed_installation() -> None:
    system = machine()
    record = Path("/var/lib/haechi/audit/000.jsonl")
    system.files[record] = (b"{}", 0o600, "root")
    system.agent_answers = False
    with pytest.raises(HaechiError, match=r"install\.not-ready"):
        installation(system).install(lambda code, params: None)
    assert record in system.files


def test_a_private_key_is_never_anchored() -> None:
    class Careless(FakeSystem):
        def start_service(self, service: object) -> None:
            super().start_service(service)  # type: ignore[arg-type]
            place = Path("/var/lib/haechi/public/root.pem")
            self.files[place] = (b"-----BEGIN CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----", 0o644, "haechi")

    system = Careless()
    system.files.update(machine().files)
    with pytest.raises(HaechiError, match=r"install\.no-authority"):
        installation(system).install(lambda code, params: None)
    assert system.root_certificate is None
