"""The institution's choices that are no rules."""

from __future__ import annotations

import pytest
from haechi.domain.errors import HaechiError
from haechi.domain.scope import ScopeMode
from haechi.outbound.engine.choices import choices_from
from haechi.outbound.engine.folder import locate, read


def data(**choices: object) -> dict[str, object]:
    return {"choices": {name: {"value": value} for name, value in choices.items()}}


def test_the_shipped_choices_intercept_clouds_and_tag_nothing_by_name() -> None:
    shipped = choices_from(read(locate()).data)
    assert (shipped.mode, shipped.hosts, shipped.networks, shipped.tag_rules) == (ScopeMode.CLOUD, (), (), ())


def test_what_is_absent_has_its_default() -> None:
    assert choices_from({}) == choices_from(data())


def test_hosts_and_local_additions_widen_the_scope_and_exemptions_narrow_it() -> None:
    chosen = choices_from(data(scope={"mode": "cloud", "hosts": ["share.example"], "exempt": ["status.example"]}))
    scope = chosen.scope(["*.cloud.example"], ["local.example"])
    assert all(host in scope for host in ("a.cloud.example", "share.example", "local.example"))
    assert "status.example" not in scope
    assert "other.example" not in scope
    assert "other.example" in chosen.scope([], [], "all")


def test_a_list_intercepts_the_listed_hosts_alone() -> None:
    scope = choices_from(data(scope={"mode": "list", "hosts": ["one.example"]})).scope(["*.cloud.example"], [])
    assert "one.example" in scope
    assert "a.cloud.example" not in scope


@pytest.mark.parametrize(
    "broken",
    [
        {"scope": {"mode": "some"}},
        {"scope": {"hosts": "one.example"}},
        {"scope": {"hosts": ["*"]}},
        {"scope": {"networks": ["10.0.0.0/33"]}},
        {"scope": ["cloud"]},
        {"tag_rules": {"glob": "*"}},
        {"tag_rules": ["*.gds"]},
    ],
)
def test_a_broken_choice_is_named(broken: dict[str, object]) -> None:
    with pytest.raises(HaechiError) as raised:
        choices_from(data(**broken))
    assert raised.value.code == "policy.invalid"
    assert raised.value.params["file"] == "data.yaml"


def test_a_machine_can_raise_a_list_to_the_clouds() -> None:
    listed = choices_from(data(scope={"mode": "list", "hosts": ["one.example"]}))
    assert "a.cloud.example" in listed.scope(["*.cloud.example"], [], "cloud")
