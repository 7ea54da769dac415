"""What all engines promise: the worker process, with interpreted and with compiled rules, and the OPA server."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from haechi.domain.decision import Cause, Mode, Severity
from haechi.domain.errors import HaechiError
from haechi.outbound.engine.compiler import Compiler, located
from haechi.outbound.engine.folder import locate
from haechi.outbound.engine.opa_engine import OpaEngine
from haechi.outbound.engine.opa_server import OpaAddress
from haechi.outbound.engine.worker_engine import WorkerEngine
from haechi.ports.engine import Answered

from tests.policy import cases, opa

Engine = WorkerEngine | OpaEngine
KINDS = ("interpreted", "compiled", "opa")


@pytest.fixture(scope="module")
def opa_port() -> Iterator[int]:
    with opa.server() as port:
        yield port


def at(port: int) -> OpaAddress:
    return OpaAddress(f"http://127.0.0.1:{port}")


def made(kind: str, port: int, folder: Path | None = None, deadline_ms: float = 5000) -> Engine:
    if kind == "interpreted":
        return WorkerEngine(folder or locate(), deadline_ms)
    if kind == "compiled":
        return WorkerEngine(folder or locate(), deadline_ms, compiler=Compiler(located()))
    return OpaEngine(folder or locate(), at(port), deadline_ms, publish=True)


@pytest_asyncio.fixture(params=KINDS)
async def engine(request: pytest.FixtureRequest, opa_port: int) -> AsyncIterator[Engine]:
    engine = made(request.param, opa_port)
    await engine.start()
    yield engine
    await engine.stop()


async def test_the_compliant_upload_has_no_findings(engine: Engine) -> None:
    answer = await engine.evaluate(cases.base())
    assert isinstance(answer, Answered)
    assert answer.findings == ()
    assert 0 < answer.seconds < 5


async def test_findings_carry_what_metadata_says(engine: Engine) -> None:
    document = cases.base()
    cases.replace(document, "destination.facts.country", "JP")
    answer = await engine.evaluate(document)
    assert isinstance(answer, Answered)
    region = next(f for f in answer.findings if f.rule == "r10_region")
    assert (region.requirement, region.basis.value, region.severity) == ("R10", "guidance", Severity.BLOCK)
    assert region.params == {"container": "ours-seoul", "country": "JP", "region": "ap-northeast-2"}


@pytest.mark.parametrize("document", [{}, {"schema": "haechi.input/1"}, {"schema": "haechi.input/2"}])
async def test_what_is_not_an_input_is_undefined(engine: Engine, document: dict[str, Any]) -> None:
    assert await engine.evaluate(document) == Cause("engine-undefined", {})


async def test_an_input_that_is_not_json_is_a_cause(engine: Engine) -> None:
    answer = await engine.evaluate({"schema": object()})  # type: ignore[dict-item]
    assert isinstance(answer, Cause)
    assert answer.code == "engine-invalid"


async def test_rules_modes_and_revision_are_told(engine: Engine) -> None:
    assert {"r10_region", "owner_not_ours", "unknown_facts"} <= set(engine.rules)
    assert engine.modes.default is Mode.ENFORCE
    assert engine.revision.startswith("blake3:")
    assert "국내" in engine.words("r10_region", "ko", {"container": "b"}).message


@pytest.mark.parametrize("kind", KINDS)
async def test_a_late_answer_is_a_cause(kind: str, opa_port: int) -> None:
    engine = made(kind, opa_port, deadline_ms=0.001)
    await engine.start()
    answer = await engine.evaluate(cases.base())
    await engine.stop()
    assert isinstance(answer, Cause)
    assert answer.code == "engine-late"


@pytest.mark.parametrize("kind", KINDS)
async def test_an_engine_that_does_not_run_is_a_cause(kind: str, opa_port: int) -> None:
    engine = made(kind, opa_port)
    before = await engine.evaluate(cases.base())
    await engine.start()
    await engine.stop()
    after = await engine.evaluate(cases.base())
    assert isinstance(before, Cause)
    assert isinstance(after, Cause)
    assert {before.code, after.code} == {"engine-crashed"}


@pytest.mark.parametrize("kind", KINDS)
async def test_policies_that_have_nothing_against_the_probe_are_refused(
    kind: str, opa_port: int, tmp_path: Path
) -> None:
    folder = tmp_path / "policies"
    shutil.copytree(locate(), folder)
    module = folder / "decision" / "decision.rego"
    module.write_text(module.read_text().replace("data.haechi.rules[_].findings", "set()"))
    engine = made(kind, opa_port, folder)
    with pytest.raises(HaechiError) as refused:
        await engine.start()
    assert refused.value.code == "policy.probe"


async def test_without_a_server_opa_does_not_start() -> None:
    with pytest.raises(HaechiError) as refused:
        await OpaEngine(locate(), at(1)).start()
    assert refused.value.code == "policy.opa-unreachable"
