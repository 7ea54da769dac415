"""The institution's choices in ``data.yaml``: understood strictly, and named by their place where they are not."""

from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path

import pytest
from haechi.domain.errors import HaechiError
from haechi.domain.registry import Count, Evaluation, Starts
from haechi.domain.scope import ScopeMode
from haechi.outbound.engine.choices import Choices, policy_data
from haechi.outbound.engine.folder import locate, read
from haechi.words import say

NEEDED = {"home_countries": ["KR"], "modes": {}, "severities": {}}


def data(**choices: object) -> dict[str, object]:
    return {"choices": {name: {"value": value} for name, value in {**NEEDED, **choices}.items()}}


def chosen_in(**choices: object) -> Choices:
    return policy_data(data(**choices)).choices


def test_the_shipped_choices_intercept_clouds_and_tag_nothing_by_name() -> None:
    shipped = read(locate()).choices
    assert (shipped.mode, shipped.hosts, shipped.networks, shipped.tag_rules) == (ScopeMode.CLOUD, (), (), ())


def test_the_words_that_must_not_stand_in_the_clear_are_a_choice() -> None:
    assert "국가핵심기술" in read(locate()).sensitive_words
    assert chosen_in(sensitive_words=["극비"]).sensitive_words == ("극비",)


def test_what_is_absent_has_its_default() -> None:
    assert chosen_in() == Choices()


def test_choices_of_an_institutions_own_rules_are_left_to_them() -> None:
    assert chosen_in(longest_name={"any": ["thing"]}) == Choices()


def test_the_review_is_not_counted_unless_the_institution_chose_how() -> None:
    assert not policy_data(data()).evaluation.chosen
    chosen = {"starts": "next-day", "count": "working", "holidays": ["2026-03-02"]}
    counted = policy_data(data(evaluation=chosen)).evaluation
    assert counted == Evaluation(Starts.NEXT_DAY, 45, 45, Count.WORKING, frozenset([dt.date(2026, 3, 2)]))


def test_hosts_and_local_additions_widen_the_scope_and_exemptions_narrow_it() -> None:
    chosen = chosen_in(scope={"mode": "cloud", "hosts": ["share.example"], "exempt": ["status.example"]})
    scope = chosen.scope(["*.cloud.example"], ["local.example"])
    assert all(host in scope for host in ("a.cloud.example", "share.example", "local.example"))
    assert "status.example" not in scope
    assert "other.example" not in scope
    assert "other.example" in chosen.scope([], [], "all")


def test_a_list_intercepts_the_listed_hosts_alone() -> None:
    scope = chosen_in(scope={"mode": "list", "hosts": ["one.example"]}).scope(["*.cloud.example"], [])
    assert "one.example" in scope
    assert "a.cloud.example" not in scope


def test_a_machine_can_raise_a_list_to_the_clouds() -> None:
    listed = chosen_in(scope={"mode": "list", "hosts": ["one.example"]})
    assert "a.cloud.example" in listed.scope(["*.cloud.example"], [], "cloud")


@pytest.mark.parametrize(
    ("broken", "place"),
    [
        ({"scope": {"mode": "some"}}, "choices.scope.value.mode"),
        ({"scope": {"hosts": "one.example"}}, "choices.scope.value.hosts"),
        ({"scope": {"hosts": ["*"]}}, "choices.scope.value"),
        ({"scope": {"exempts": []}}, "choices.scope.value"),
        ({"scope": {"networks": ["10.0.0.0/33"]}}, "choices.scope.value"),
        ({"scope": ["cloud"]}, "choices.scope.value"),
        ({"tag_rules": {"glob": "*"}}, "choices.tag_rules.value"),
        ({"tag_rules": ["*.gds"]}, "choices.tag_rules.value[0]"),
        ({"modes": {"rules": None}}, "choices.modes.value.rules"),
        ({"modes": {"rules": {1: "monitor"}}}, "choices.modes.value.rules"),
        ({"modes": {"fail": "perhaps"}}, "choices.modes.value.fail"),
        ({"modes": None}, "choices.modes.value"),
        ({"severities": {"opaque": "maybe"}}, "choices.severities.value"),
        ({"registry_max_age_days": "soon"}, "choices.registry_max_age_days.value"),
        ({"registry_max_age_days": 0}, "choices.registry_max_age_days.value"),
        ({"registry_max_age_days": True}, "choices.registry_max_age_days.value"),
        ({"registry_max_age_days": float("inf")}, "choices.registry_max_age_days"),
        ({"registry_max_age_days": float("nan")}, "choices.registry_max_age_days"),
        ({"evaluation": {"starts": "sometime"}}, "choices.evaluation.value.starts"),
        ({"evaluation": {"count": "weeks"}}, "choices.evaluation.value.count"),
        ({"evaluation": {"length_days": 0}}, "choices.evaluation.value.length_days"),
        ({"evaluation": {"holidays": ["2026-02-30"]}}, "choices.evaluation.value.holidays[0]"),
        ({"evaluation": {"begins": "submitted"}}, "choices.evaluation.value"),
        ({"pledge_max_age_days": "a year"}, "choices.pledge_max_age_days.value"),
        ({"training_max_age_days": -1}, "choices.training_max_age_days.value"),
        ({"attestation_max_age_days": 365}, "choices.attestation_max_age_days.value"),
        ({"attestation_max_age_days": {"default": 0}}, "choices.attestation_max_age_days.value.default"),
        ({"attestation_max_age_days": {"subject": {}}}, "choices.attestation_max_age_days.value"),
        ({"attestation_max_age_days": {"subjects": {"x": float("inf")}}}, "choices.attestation_max_age_days.value"),
        ({"exemption_bases": "public-seminar"}, "choices.exemption_bases.value"),
        ({"grades": "ABC"}, "choices.grades.value"),
        ({"sensitive_words": ["x"]}, "choices.sensitive_words.value"),
        ({"sensitive_words": ["--"]}, "choices.sensitive_words.value"),
        ({"home_countries": None}, "choices.home_countries.value"),
        ({"approved_keys_only": "yes"}, "choices.approved_keys_only.value"),
    ],
)
def test_a_broken_choice_is_named_by_its_place(broken: dict[str, object], place: str) -> None:
    with pytest.raises(HaechiError) as raised:
        policy_data(data(**broken))
    assert (raised.value.code, raised.value.params["file"]) == ("policy.invalid", "data.yaml")
    assert str(raised.value.params["why"]).startswith(place)


BROKEN = [
    ("rules: {}, fail", "rules: , fail", "choices.modes.value.rules"),
    ("registry_max_age_days:\n    value: null", "registry_max_age_days: 3\n  own:", "choices.registry_max_age_days"),
    ("value: [KR]", "value: [2026-13-45]", "month"),
    ("value: [KR]", "value: &home [*home]", "more than 200000 values"),
    ("modes:\n    value:", "modes:\n    valeu:", "choices.modes: Object missing required field `value`"),
]


@pytest.mark.parametrize(("before", "after", "why"), BROKEN)
def test_a_file_that_is_broken_in_whatever_way_is_told_in_both_languages(
    tmp_path: Path, before: str, after: str, why: str
) -> None:
    shutil.copytree(locate(), tmp_path / "policies")
    file = tmp_path / "policies" / "data.yaml"
    text = file.read_text(encoding="utf-8")
    assert before in text
    file.write_text(text.replace(before, after), encoding="utf-8")
    with pytest.raises(HaechiError) as raised:
        read(tmp_path / "policies")
    assert raised.value.code == "policy.invalid"
    for lang in ("ko", "en"):
        told = say(raised.value.code, lang, **raised.value.params)
        assert "data.yaml" in told
        assert why in told
        assert "{" not in told


def test_a_folder_without_choices_is_named(tmp_path: Path) -> None:
    shutil.copytree(locate(), tmp_path / "policies")
    (tmp_path / "policies" / "data.yaml").unlink()
    with pytest.raises(HaechiError) as raised:
        read(tmp_path / "policies")
    assert raised.value.params == {"file": "data.yaml", "why": "Object missing required field `choices`"}


def test_words_of_an_unforeseen_form_are_a_fault_of_the_folder(tmp_path: Path) -> None:
    shutil.copytree(locate(), tmp_path / "policies")
    (tmp_path / "policies" / "rules" / "opaque" / "words.yaml").write_text("title: 3\n", encoding="utf-8")
    with pytest.raises(HaechiError) as raised:
        read(tmp_path / "policies")
    assert raised.value.code == "policy.invalid"
