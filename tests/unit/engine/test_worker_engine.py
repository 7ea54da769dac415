"""A crash, a hang or a bad policy is a cause or an error, never a pass, and soon over."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from haechi.domain.decision import NO_POLICIES, Cause, FailMode, Mode, Severity
from haechi.domain.errors import HaechiError
from haechi.outbound.engine.folder import locate, none_of, read
from haechi.outbound.engine.probe import probe_input
from haechi.outbound.engine.worker import ADDRESSES, MEMORY
from haechi.outbound.engine.worker_engine import WorkerEngine
from haechi.ports.engine import Answered

from tests.e2e.in_time import GIVE_UP_S, in_time
from tests.lab.stopping import stop
from tests.policy import cases

OPAQUE = 'input.content.state == "opaque"'
HTTP = 'http.send({"method": "get", "url": "x"})'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the shipped policies that may be spoilt."""
    copy = tmp_path / "policies"
    shutil.copytree(locate(), copy)
    return copy


@pytest_asyncio.fixture
async def engine(folder: Path) -> AsyncIterator[WorkerEngine]:
    counted: list[str] = []
    engine = WorkerEngine(folder, deadline_ms=1000, hang=0.3, count=counted.append)
    await engine.start()
    yield engine
    await engine.stop()


@pytest_asyncio.fixture
async def patient(folder: Path) -> AsyncIterator[WorkerEngine]:
    """One that waits for as long as two hundred questions at once may take on a busy machine."""
    engine = WorkerEngine(folder, deadline_ms=30_000, hang=10)
    await engine.start()
    yield engine
    await engine.stop()


def pid(engine: WorkerEngine) -> int:
    assert engine._worker is not None
    return engine._worker.process.pid


async def answers_again(engine: WorkerEngine, dead: int) -> None:
    """Within the time in which the agent has to work again."""
    started = time.monotonic()
    while True:
        if engine.ready and pid(engine) != dead and isinstance(await engine.evaluate(cases.base()), Answered):
            break
        assert time.monotonic() - started < GIVE_UP_S
        await asyncio.sleep(0.01)
    in_time(time.monotonic() - started, "another worker")


async def test_a_killed_worker_is_a_cause_and_back_in_time(engine: WorkerEngine) -> None:
    dead = pid(engine)
    os.kill(dead, signal.SIGKILL)
    answers = [await engine.evaluate(cases.base()) for _ in range(3)]
    assert all(isinstance(answer, Cause) and answer.code == "engine-crashed" for answer in answers)
    await answers_again(engine, dead)


async def test_what_was_being_asked_when_it_died_is_a_cause(engine: WorkerEngine) -> None:
    dead = pid(engine)
    stop(dead)
    asked = [asyncio.create_task(engine.evaluate(cases.base())) for _ in range(20)]
    await asyncio.sleep(0)
    os.kill(dead, signal.SIGKILL)
    assert {answer.code for answer in await asyncio.gather(*asked) if isinstance(answer, Cause)} == {"engine-crashed"}


async def test_a_hanging_worker_is_replaced(engine: WorkerEngine) -> None:
    dead = pid(engine)
    stop(dead)
    answer = await engine.evaluate(cases.base())
    assert isinstance(answer, Cause)
    assert answer.code in ("engine-late", "engine-crashed")
    await answers_again(engine, dead)
    with pytest.raises(ProcessLookupError):
        os.kill(dead, 0)


async def test_many_questions_at_once_each_get_their_own_answer(engine: WorkerEngine) -> None:
    places = [f"bucket-{number}" for number in range(50)]
    documents = []
    for place in places:
        document = cases.base()
        cases.replace(document, "destination.facts.country", "JP")
        cases.replace(document, "destination.facts.container", place)
        documents.append(document)
    answers = await asyncio.gather(*(engine.evaluate(document) for document in documents))
    for place, answer in zip(places, answers, strict=True):
        assert isinstance(answer, Answered)
        assert next(f for f in answer.findings if f.rule == "r10_region").params["container"] == place


async def test_a_rule_that_never_ends_is_late_and_the_worker_replaced(folder: Path) -> None:
    (folder / "rules" / "opaque" / "rule.rego").write_text(
        (folder / "rules" / "opaque" / "rule.rego").read_text()
        + '\nfindings contains {"rule": "opaque", "params": {}} if {\n'
        + '\tinput.request.host == "slow"\n\tn := ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"]\n'
        + "\tcount({[a, b, c, d, e, f, g, h] | some a in n; some b in n; some c in n; some d in n; some e in n; "
        + "some f in n; some g in n; some h in n}) == 1\n}\n"
    )
    engine = WorkerEngine(folder, deadline_ms=100, hang=0.3)
    await engine.start()
    dead = pid(engine)
    document = cases.base()
    cases.replace(document, "request.host", "slow")
    try:
        answer = await engine.evaluate(document)
        assert isinstance(answer, Cause)
        assert answer.code == "engine-late"
        await answers_again(engine, dead)
    finally:
        await engine.stop()


@pytest.mark.parametrize(
    ("file", "old", "new", "code", "said"),
    [
        ("rules/opaque/rule.rego", OPAQUE, "time.now_ns() > 0", "policy.builtin", "time.now_ns"),
        ("rules/opaque/rule.rego", OPAQUE, HTTP, "policy.builtin", "http.send"),
        ("rules/opaque/rule.rego", "import data", "import data", "policy.invalid", "findings"),
        ("rules/opaque/rule.rego", "if {", "if {{", "policy.invalid", "rule.rego"),
        ("rules/opaque/rule.rego", "severity: log", "severity: maybe", "policy.invalid", "maybe"),
        ("rules/opaque/rule.rego", "basis: inference", "", "policy.invalid", "basis"),
        ("rules/opaque/rule.rego", "haechi.rules.opaque", "haechi.rules.other", "policy.invalid", "haechi.rules.other"),
        ("rules/opaque/words.yaml", "title:", "title: {", "policy.invalid", "words.yaml"),
        ("data.yaml", "fail: closed", "fail: perhaps", "policy.invalid", "perhaps"),
        ("data.yaml", "rules: {}", "rules: {r99_typo: monitor}", "policy.invalid", "r99_typo"),
        ("decision/decision.rego", "decision :=", "other :=", "policy.", "decision"),
    ],
)  # fmt: skip
async def test_bad_policies_are_refused_by_name_and_the_earlier_stay(
    engine: WorkerEngine, folder: Path, file: str, old: str, new: str, code: str, said: str
) -> None:
    revision = engine.revision
    text = (folder / file).read_text()
    changed = text.replace("findings contains", "found contains") if said == "findings" else text.replace(old, new)
    assert changed != text
    (folder / file).write_text(changed)
    with pytest.raises(HaechiError) as refused:
        await engine.reload(folder)
    assert refused.value.code.startswith(code)
    assert said in str(refused.value) or code == "policy."
    assert engine.revision == revision
    assert isinstance(await engine.evaluate(cases.base()), Answered)


async def test_the_place_of_a_forbidden_function_is_told(engine: WorkerEngine, folder: Path) -> None:
    module = folder / "rules" / "opaque" / "rule.rego"
    text = module.read_text().replace('input.content.state == "opaque"', "time.now_ns() > 0")
    module.write_text(text)
    line = text[: text.index("time.now_ns")].count("\n") + 1
    with pytest.raises(HaechiError) as refused:
        await engine.reload(folder)
    assert (refused.value.params["file"], refused.value.params["line"]) == ("rules/opaque/rule.rego", line)


async def test_a_reload_takes_effect_at_once_and_nothing_is_lost(engine: WorkerEngine, folder: Path) -> None:
    before = engine.revision
    data = folder / "data.yaml"
    shipped, chosen = (
        "default: enforce, rules: {}, fail: closed",
        "default: monitor, rules: {r10_region: enforce}, fail: open",
    )
    data.write_text(data.read_text().replace(shipped, chosen))
    asked = [asyncio.create_task(engine.evaluate(cases.base())) for _ in range(30)]
    await engine.reload(folder)
    assert all(isinstance(answer, Answered) for answer in await asyncio.gather(*asked))
    assert engine.revision != before
    assert engine.modes.default is Mode.MONITOR
    assert engine.modes.of("r10_region") is Mode.ENFORCE
    assert engine.modes.fail is FailMode.OPEN


async def test_the_institution_may_choose_a_severity(engine: WorkerEngine, folder: Path) -> None:
    data = folder / "data.yaml"
    shipped, chosen = "severities:\n    value: {}", "severities:\n    value: {opaque: block}"
    data.write_text(data.read_text().replace(shipped, chosen))
    await engine.reload(folder)
    assert engine.rules["opaque"].severity is Severity.BLOCK


async def test_the_worker_dies_with_the_agent(tmp_path: Path) -> None:
    program = (
        "import asyncio, os, sys\n"
        "from haechi.outbound.engine.folder import locate\n"
        "from haechi.outbound.engine.worker_engine import WorkerEngine\n"
        "async def main():\n"
        "    engine = WorkerEngine(locate())\n"
        "    await engine.start()\n"
        "    print('worker', engine._worker.process.pid, flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    agent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert agent.stdout is not None
    worker = next(int(line.split()[1]) for line in agent.stdout if line.startswith("worker"))
    agent.kill()
    agent.wait(5)
    until = time.monotonic() + 3
    while _alive(worker):
        assert time.monotonic() < until, "the worker outlived the agent"
        await asyncio.sleep(0.02)


def _alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


async def test_the_worker_is_confined(engine: WorkerEngine) -> None:
    limits = Path(f"/proc/{pid(engine)}/limits").read_text()
    memory = next(line for line in limits.splitlines() if line.startswith("Max data size"))
    space = next(line for line in limits.splitlines() if line.startswith("Max address space"))
    core = next(line for line in limits.splitlines() if line.startswith("Max core file"))
    assert memory.split()[3] == str(MEMORY)
    assert space.split()[3] == str(ADDRESSES)
    assert core.split()[4] == "0"


def test_a_missing_folder_says_where_it_was_sought(tmp_path: Path) -> None:
    with pytest.raises(HaechiError) as missing:
        locate(tmp_path)
    assert missing.value.code == "policy.folder-missing"
    assert str(tmp_path) in str(missing.value)


def test_tests_and_cases_are_never_loaded() -> None:
    policies = read(locate())
    assert not [name for name, _ in policies.modules if name.endswith("_test.rego") or name.startswith("testing")]


async def test_what_is_asked_while_policies_change_is_answered_by_one_set_or_the_other(
    patient: WorkerEngine, folder: Path
) -> None:
    engine, data = patient, folder / "data.yaml"
    text = data.read_text(encoding="utf-8").replace("value: {}", "value: {unknown_facts: log}", 1)
    data.write_text(text, encoding="utf-8")
    probe = dict(probe_input())
    before = await engine.evaluate(probe)
    assert isinstance(before, Answered)
    asked: list[asyncio.Task[tuple[str, object]]] = []

    async def ask() -> tuple[str, object]:
        policies = engine.in_force
        return policies.revision, await engine.evaluate(probe)

    async def confirm() -> None:
        asked.extend(asyncio.create_task(ask()) for _ in range(200))
        await asyncio.sleep(0)

    first = engine.revision
    await engine.put_in_force(read(folder), confirm)
    asked.extend(asyncio.create_task(ask()) for _ in range(20))
    answers: dict[str, set[str]] = {}
    for revision, answer in await asyncio.gather(*asked):
        assert isinstance(answer, Answered)
        answers.setdefault(revision, set()).add(repr(answer.findings))
    assert set(answers) == {first, engine.revision}
    assert answers[first] == {repr(before.findings)}
    assert len(answers[engine.revision]) == 1
    assert answers[engine.revision] != answers[first]


async def test_policies_that_nobody_confirms_are_not_put_in_force(engine: WorkerEngine, folder: Path) -> None:
    (folder / "data.yaml").open("a", encoding="utf-8").write("# other\n")
    before, dead = engine.revision, pid(engine)

    async def confirm() -> None:
        raise HaechiError("audit.unwritable", folder="x", cause="full")

    with pytest.raises(HaechiError):
        await engine.put_in_force(read(folder), confirm)
    assert (engine.revision, pid(engine)) == (before, dead)


async def test_withdrawn_policies_answer_nothing_and_enforce(engine: WorkerEngine, folder: Path) -> None:
    data = folder / "data.yaml"
    data.write_text(data.read_text(encoding="utf-8").replace("default: enforce", "default: monitor"), encoding="utf-8")
    await engine.reload(folder)
    await engine.withdraw(none_of(engine.in_force), HaechiError("policy.invalid", file="data.yaml", why="x"))
    cause = Cause(NO_POLICIES, {"problem": "policy.invalid", "about": {"file": "data.yaml", "why": "x"}})
    assert await engine.evaluate(cases.base()) == cause
    assert (engine.ready, engine.modes.default, engine.modes.fail) == (False, Mode.ENFORCE, FailMode.CLOSED)
    await engine.reload(folder)
    assert isinstance(await engine.evaluate(cases.base()), Answered)
