"""The trust list while the agent runs: what a revoked key signed is void; one that cannot be read says nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from haechi.domain.errors import HaechiError
from haechi.outbound.clock import SystemClock
from haechi.outbound.registry import FileRegistry
from haechi.outbound.trust import SigningKey, TrustFile

from tests.lab.institution import Institution, write_yaml


@pytest.fixture
def institution(tmp_path: Path) -> Institution:
    made = Institution(tmp_path / "institution")
    made.publish(accounts=["1"])
    return made


@pytest.fixture
def trust(institution: Institution) -> TrustFile:
    return TrustFile(institution.trust, SystemClock())


def listed(institution: Institution, *keys: SigningKey, **more: Any) -> None:
    entries = [{"roles": ["policy", "registry", "release"], "key": dict(key.jwk()), **more} for key in keys]
    write_yaml(institution.trust, {"schema": "haechi.trust/1", "keys": entries})


def test_a_revoked_key_signs_nothing_from_the_next_look_on(institution: Institution, trust: TrustFile) -> None:
    signature = institution.signing.sign("policy", b"x")
    trust.verify("policy", b"x", signature)
    listed(institution, institution.signing, revoked=True)
    before = trust.revision
    assert trust.refresh()
    assert trust.revision != before
    with pytest.raises(HaechiError) as raised:
        trust.verify("policy", b"x", signature)
    assert raised.value.code == "trust.key-revoked"


@pytest.mark.parametrize("spoil", ["gone", "half", "open"])
def test_a_list_that_cannot_be_read_leaves_the_one_in_force(
    institution: Institution, trust: TrustFile, spoil: str
) -> None:
    if spoil == "gone":
        institution.trust.unlink()
    elif spoil == "half":
        institution.trust.write_text("schema: haechi.trust/1\nkeys: [{roles", encoding="utf-8")
    else:
        institution.trust.chmod(0o666)
    assert not trust.refresh()
    trust.verify("policy", b"x", institution.signing.sign("policy", b"x"))
    assert trust.problem is not None
    assert trust.problem.code in ("trust.missing", "trust.malformed", "trust.writable-by-others")
    institution.trust.unlink(missing_ok=True)
    listed(institution, institution.signing)
    trust.refresh()
    assert trust.problem is None


def test_a_registry_goes_with_the_key_that_signed_it_and_comes_with_a_new_one(
    institution: Institution, trust: TrustFile, tmp_path: Path
) -> None:
    registry = FileRegistry(institution.registry, trust, tmp_path / "state")
    assert registry.accounts("aws") == ("1",)
    listed(institution, institution.signing, revoked=True)
    trust.refresh()
    assert registry.refresh()
    assert (registry.data, registry.in_force.revision) == (None, "none:registry-invalid")
    successor = SigningKey.generate()
    institution.signing = successor
    institution.publish(accounts=["2"])
    assert not registry.refresh()
    listed(institution, successor)
    trust.refresh()
    assert registry.refresh()
    assert registry.accounts("aws") == ("2",)


@pytest.mark.parametrize(
    "day", ["9999-12-31", "9999-12-31T23:59:59-12:00", "0001-01-01", "0001-01-01T00:00:00+14:00", "2026-02-29"]
)
@pytest.mark.parametrize("field", ["not_before", "not_after"])
def test_a_day_that_no_calendar_can_count_from_is_a_fault_with_its_line(
    institution: Institution, trust: TrustFile, field: str, day: str
) -> None:
    listed(institution, institution.signing, **{field: day})
    assert not trust.refresh()
    assert trust.problem is not None
    assert (trust.problem.code, trust.problem.params["field"]) == ("trust.malformed", f"keys[0].{field}")
    trust.verify("policy", b"x", institution.signing.sign("policy", b"x"))
