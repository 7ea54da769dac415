"""What was generated from the schema, on every engine: they agree to the finding, whatever the input."""

from __future__ import annotations

import json

import jsonschema
import pytest
from haechi.outbound.engine.folder import PolicyFolder

from tests.policy import cases, generated
from tests.policy.conftest import Judge

LEAST = 400
"""Cases that every engine must agree on."""
ALL_OF_THEM_S = 400
"""Thousands of questions in one test: how long they take says how busy the machine is."""
VALIDATOR = jsonschema.Draft202012Validator(generated.SCHEMA)


def test_there_are_enough_cases_and_the_same_in_every_run() -> None:
    assert len(cases.load_once()) + len(generated.corpus()) >= LEAST
    few = cases.load_once()[:9]
    assert [generated.mixed(one) for one in few] == [generated.mixed(one) for one in few]


@pytest.mark.timeout(ALL_OF_THEM_S)
def test_what_is_generated_answers_to_the_schema() -> None:
    wrong = [next(VALIDATOR.iter_errors(one)) for one in generated.corpus() if not VALIDATOR.is_valid(one)]
    assert wrong == [], [(list(one.absolute_path), one.message[:200]) for one in wrong[:3]]


def test_every_field_of_the_schema_takes_every_kind_of_value() -> None:
    """A new field is generated without a word here: each scalar of the passing input has another value, or unknown."""
    base = cases.base()
    fixed = [
        path
        for path in generated.paths(base)
        if path != "schema" and not isinstance(generated.value(base, path), dict | list)
        and len(generated.alternatives(path)) < 2
    ]  # fmt: skip
    assert fixed == []


@pytest.mark.timeout(ALL_OF_THEM_S)
def test_every_engine_agrees_on_every_generated_input(
    regorus: Judge, compiled: Judge, opa_server: Judge, policies: PolicyFolder
) -> None:
    spoken: set[str] = set()
    answered, disputed = 0, []
    for document in generated.corpus():
        said = regorus(document)
        if not said == compiled(document) == opa_server(document):
            disputed.append(document)
        if said is not None:
            answered += 1
            spoken |= {json.loads(finding)["rule"] for finding in said}
    assert disputed == []
    assert answered > 0.9 * len(generated.corpus())
    assert set(policies.rules) - spoken <= {"policy_age"}, "it speaks only where the institution set a limit"
