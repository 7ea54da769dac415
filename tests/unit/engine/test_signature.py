"""Only what ships, and what a trusted policy key signed, is put in force."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from haechi.domain.errors import HaechiError
from haechi.outbound.clock import SystemClock
from haechi.outbound.engine.folder import PolicyFolder, locate, read
from haechi.outbound.engine.signature import SignedPolicies, sign_into
from haechi.outbound.engine.worker_engine import WorkerEngine
from haechi.outbound.trust.store import TrustStore

from tests.lab.institution import Institution, write_yaml


@pytest.fixture
def institution(tmp_path: Path) -> Institution:
    return Institution(tmp_path / "institution")


@pytest.fixture
def accept(institution: Institution) -> SignedPolicies:
    return SignedPolicies(TrustStore.load(institution.trust, SystemClock()))


def monitoring(folder: Path) -> PolicyFolder:
    """The shipped policies with one word changed: the one that turns everything off."""
    shutil.copytree(locate(), folder)
    data = folder / "data.yaml"
    data.write_text(data.read_text(encoding="utf-8").replace("default: enforce", "default: monitor"), encoding="utf-8")
    return read(folder)


def refusal(accept: SignedPolicies, policies: PolicyFolder) -> str:
    with pytest.raises(HaechiError) as raised:
        accept(policies)
    return raised.value.code


def test_what_ships_needs_no_signature_wherever_it_lies(accept: SignedPolicies, tmp_path: Path) -> None:
    shutil.copytree(locate(), tmp_path / "copy")
    accept(read(tmp_path / "copy"))


def test_a_changed_mode_without_a_signature_is_refused(accept: SignedPolicies, tmp_path: Path) -> None:
    assert refusal(accept, monitoring(tmp_path / "policies")) == "policy.unsigned"


def test_a_changed_mode_that_the_security_team_signed_is_accepted(
    accept: SignedPolicies, institution: Institution, tmp_path: Path
) -> None:
    policies = monitoring(tmp_path / "policies")
    institution.sign_policies(policies.path)
    accept(policies)


def test_a_change_after_signing_is_refused(accept: SignedPolicies, institution: Institution, tmp_path: Path) -> None:
    policies = monitoring(tmp_path / "policies")
    institution.sign_policies(policies.path)
    data = policies.path / "data.yaml"
    data.write_text(data.read_text(encoding="utf-8").replace("fail: closed", "fail: open"), encoding="utf-8")
    assert refusal(accept, read(policies.path)).startswith("trust.")


@pytest.mark.parametrize(
    ("file", "before", "after"),
    [
        ("catalogue/data.yaml", "as_of:", "as_of:  "),
        ("clauses.yaml", "certainty:", "certainty:  "),
        ("schema/input-1.json", "{", "{ "),
        ("rules/opaque/words.yaml", "ko:", "ko:  "),
        ("rules/opaque/rule.rego", "findings contains", "findings  contains"),
    ],
)
def test_a_signature_covers_everything_that_is_read_from_the_folder(
    accept: SignedPolicies, institution: Institution, tmp_path: Path, file: str, before: str, after: str
) -> None:
    policies = monitoring(tmp_path / "policies")
    institution.sign_policies(policies.path)
    changed = policies.path / file
    changed.write_text(changed.read_text(encoding="utf-8").replace(before, after, 1), encoding="utf-8")
    assert refusal(accept, read(policies.path)).startswith("trust.")


@pytest.mark.parametrize(
    ("file", "text", "code"),
    [
        ("catalogue/data.yaml", "fields: 1\n", "catalogue.unreadable"),
        ("catalogue/data.yaml", "", "catalogue.unreadable"),
    ],
)
def test_a_broken_catalogue_makes_the_whole_folder_unusable(tmp_path: Path, file: str, text: str, code: str) -> None:
    shutil.copytree(locate(), tmp_path / "policies")
    (tmp_path / "policies" / file).write_text(text, encoding="utf-8")
    with pytest.raises(HaechiError) as raised:
        read(tmp_path / "policies")
    assert raised.value.code == code


def test_a_registry_signature_or_a_key_without_the_role_is_refused(institution: Institution, tmp_path: Path) -> None:
    policies = monitoring(tmp_path / "policies")
    sign_into(policies, institution.signing.sign("registry", policies.revision.encode()))
    accept = SignedPolicies(TrustStore.load(institution.trust, SystemClock()))
    assert refusal(accept, policies).startswith("trust.")
    institution.sign_policies(policies.path)
    write_yaml(
        institution.trust,
        {"schema": "haechi.trust/1", "keys": [{"roles": ["registry"], "key": dict(institution.signing.jwk())}]},
    )
    accept = SignedPolicies(TrustStore.load(institution.trust, SystemClock()))
    assert refusal(accept, policies).startswith("trust.")


async def test_the_engine_keeps_the_earlier_policies_when_new_ones_are_refused(
    accept: SignedPolicies, tmp_path: Path
) -> None:
    engine = WorkerEngine(locate(), 1000, accept=accept)
    await engine.start()
    try:
        before = engine.revision
        with pytest.raises(HaechiError):
            await engine.reload(monitoring(tmp_path / "policies").path)
        assert (engine.revision, engine.modes.default.value) == (before, "enforce")
    finally:
        await engine.stop()
