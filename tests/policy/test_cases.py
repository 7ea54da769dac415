"""Every case on every engine: they give the expected rules, and agree to the finding."""

from __future__ import annotations

import copy
import json

import jsonschema
import pytest
from haechi.outbound.engine.folder import PolicyFolder

from tests.policy import base, cases, opa
from tests.policy.conftest import Judge

CASES = cases.load()
SCHEMA = json.loads((cases.POLICIES / "schema" / "input-1.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_engine_gives_the_expected_findings(
    case: cases.Case, regorus: Judge, compiled: Judge, opa_server: Judge
) -> None:
    VALIDATOR.validate(case.input)
    ours = regorus(case.input)
    assert ours is not None
    assert {json.loads(finding)["rule"] for finding in ours} == case.rules
    assert compiled(case.input) == ours
    assert opa_server(case.input) == ours


def test_names_are_unique() -> None:
    names = [case.name for case in CASES]
    assert len(names) == len(set(names))


def test_every_rule_is_seen_firing_and_not(policies: PolicyFolder) -> None:
    # Speaks only where the institution set a limit; its own test is below.
    for rule in set(policies.rules) - {"policy_age"}:
        assert any(rule in case.rules for case in CASES), f"no case in which {rule} speaks"
        assert any(rule not in case.rules for case in CASES), f"no case in which {rule} is silent"


def test_the_fixture_is_what_the_builder_sends() -> None:
    assert base.sealed_seoul() == cases.base(), "policies/testing/data.json is stale"


def test_the_builder_answers_to_the_schema() -> None:
    VALIDATOR.validate(base.sealed_seoul(destination=None))
    VALIDATOR.validate(base.sealed_seoul(registry={"unknown": "registry-missing"}))


def test_the_schema_is_one_and_refuses_more_than_it_names() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    document = copy.deepcopy(cases.base())
    document["request"]["body"] = "x"
    assert not VALIDATOR.is_valid(document)


@pytest.mark.parametrize("arguments", [("check", "--strict", "-b"), ("test", "-b"), ("fmt", "--fail", "--list")])
def test_opa_itself_finds_nothing_to_complain_about(arguments: tuple[str, ...], policies: PolicyFolder) -> None:
    import subprocess

    done = subprocess.run(
        [opa.binary(), *arguments, str(policies.path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_regal_finds_nothing_to_complain_about(policies: PolicyFolder) -> None:
    import subprocess

    command = [opa.tool("regal"), "lint", "--config-file", str(opa.ROOT / ".regal" / "config.yaml")]
    done = subprocess.run([*command, str(policies.path)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_rule_of_regal_that_is_off_has_its_reason_beside_it() -> None:
    lines = (opa.ROOT / ".regal" / "config.yaml").read_text().splitlines()
    off = [number for number, line in enumerate(lines) if line.strip().startswith("level:")]
    assert off
    assert [lines[number] for number in off if not lines[number - 1].strip().startswith("# ")] == []


def test_no_rule_is_without_a_test_beside_it(policies: PolicyFolder) -> None:
    assert policies.rules
    for rule in policies.rules:
        assert (policies.path / "rules" / rule / "rule_test.rego").is_file()


def chosen(policies: PolicyFolder, document: object, name: str, value: object) -> set[str]:
    """The rules that speak where the institution chose otherwise."""
    import regorus

    engine = regorus.Engine()
    for module, text in policies.modules:
        engine.add_policy(module, text)
    data = json.loads(json.dumps(policies.data))
    data["choices"][name]["value"] = value
    engine.add_data_json(json.dumps(data))
    engine.set_input_json(json.dumps(document))
    said = json.loads(engine.eval_rule_as_json("data.haechi.decision.decision"))["findings"]
    return {finding["rule"] for finding in said}


@pytest.mark.parametrize(
    ("choice", "allowed", "exceeded", "rules"),
    [
        ("registry_max_age_days", 4, 2, {"registry_age"}),
        ("pledge_max_age_days", 60, 59, {"r06_pledge"}),
        ("training_max_age_days", 60, 59, {"r06_training"}),
        (
            "attestation_max_age_days",
            {"default": 60, "subjects": {"periodic-check": None, "history-review": 61}},
            {"default": None, "subjects": {"operations-personnel-in-korea": 59, "periodic-check": 1}},
            {"r12_operators", "r21_checks"},
        ),
        ("grades", ["A"], ["B", "C"], {"r03_grade"}),
        ("policy_max_age_days", None, 400_000, {"policy_age"}),  # what ships has no date
    ],
)
def test_a_period_or_grade_is_the_institutions_choice(
    policies: PolicyFolder, choice: str, allowed: object, exceeded: object, rules: set[str]
) -> None:
    assert chosen(policies, cases.base(), choice, allowed) == set()
    assert chosen(policies, cases.base(), choice, exceeded) == rules


def test_a_basis_that_the_institution_does_not_rely_on_exempts_nothing(policies: PolicyFolder) -> None:
    exempt = next(case.input for case in CASES if case.name == "an exemption settles the export and not the place")
    place = {"r10_region", "r23_export"}
    assert chosen(policies, exempt, "exemption_bases", ["public-seminar"]) == place
    assert chosen(policies, exempt, "exemption_bases", []) == place | {"r24_approval", "r27_exemption"}
