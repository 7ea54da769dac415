"""What the policy tests share: both of the worker's engines in this process, and a real OPA server, same policies."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
import wasmtime
from haechi.outbound.engine.compiled import Compiled
from haechi.outbound.engine.compiler import Compiler, located
from haechi.outbound.engine.folder import PolicyFolder, locate, read
from haechi.outbound.engine.interpreted import DECISION, build
from haechi.outbound.engine.probe import probe_input
from opa_client.opa import OpaClient

from tests.policy import opa

Judge = Callable[[dict[str, Any]], "set[str] | None"]


def findings(answer: Any) -> set[str] | None:
    """The findings of an answer in a form that can be compared; None where there is no decision."""
    if not isinstance(answer, dict):
        return None
    assert set(answer) == {"schema", "findings"}
    return {json.dumps(finding, sort_keys=True) for finding in answer["findings"]}


@pytest.fixture(scope="session")
def policies() -> PolicyFolder:
    return read(locate())


@pytest.fixture(scope="session")
def regorus(policies: PolicyFolder) -> Judge:
    """Judges with the worker's interpreter, in this process; None for undefined and for an engine's error."""
    engine = build(list(policies.modules), policies.data, json.dumps(probe_input()).encode())

    def judge(document: dict[str, Any]) -> set[str] | None:
        try:
            engine.set_input_json(json.dumps(document))
            return findings(json.loads(engine.eval_rule_as_json(DECISION)))
        except RuntimeError:
            return None

    return judge


@pytest.fixture(scope="session")
def compiled(policies: PolicyFolder) -> Judge:
    """Judges with the worker's compiled rules, in this process; None for undefined and for an engine's error."""
    engine = Compiled(Compiler(located())(policies), json.dumps(policies.data).encode())

    def judge(document: dict[str, Any]) -> set[str] | None:
        try:
            said = engine.answer(msgspec.json.encode(document))
        except (wasmtime.Trap, wasmtime.WasmtimeError):
            return None
        return findings(json.loads(said)) if said is not None else None

    return judge


@pytest.fixture(scope="session", params=["regorus", "compiled"])
def ours(request: pytest.FixtureRequest) -> Judge:
    """What judges in the worker, one after the other."""
    judge: Judge = request.getfixturevalue(request.param)
    return judge


@pytest.fixture(scope="session")
def opa_server(policies: PolicyFolder) -> Iterator[Judge]:
    """Judges with a real OPA server over opa-python-client; None for undefined."""
    with opa.server("--bundle", str(policies.path)) as port:
        client = OpaClient(host="127.0.0.1", port=port, timeout=10)

        def judge(document: dict[str, Any]) -> set[str] | None:
            return findings(client.query_rule(document, "haechi.decision", "decision").get("result"))

        yield judge
        client.close_connection()
