"""Compiled rules: nothing of one question is left for the next, and whatever cannot be compiled is interpreted."""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio
import wasmtime
from haechi.domain.decision import Cause
from haechi.domain.errors import HaechiError
from haechi.outbound.engine.compiled import MEMORY_PAGES, PAGE, ROOMY, Compiled, UnusableError, settings_for
from haechi.outbound.engine.compiler import Compiler, NotCompiledError, located, swept
from haechi.outbound.engine.folder import PolicyFolder, locate, read
from haechi.outbound.engine.probe import probe_input
from haechi.outbound.engine.worker_engine import WorkerEngine
from haechi.ports.engine import Answered

from tests.policy import cases


@pytest.fixture(scope="module")
def module() -> bytes:
    return Compiler(located())(read(locate()))


@pytest.fixture(params=[resource.RLIM_INFINITY, ROOMY - 1], ids=["all reserved", "little address space"])
def compiled(request: pytest.FixtureRequest, module: bytes, monkeypatch: pytest.MonkeyPatch) -> Compiled:
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (request.param, request.param))
    return Compiled(module, json.dumps(read(locate()).data).encode())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the shipped policies that may be spoilt."""
    return Path(shutil.copytree(locate(), tmp_path / "policies"))


Started = Callable[[WorkerEngine], Awaitable[WorkerEngine]]


@pytest_asyncio.fixture
async def started() -> AsyncIterator[Started]:
    engines: list[WorkerEngine] = []

    async def start(engine: WorkerEngine) -> WorkerEngine:
        engines.append(engine)
        await engine.start()
        return engine

    yield start
    for engine in engines:
        await engine.stop()


def program(folder: Path, script: str) -> Path:
    """A stand-in for OPA's program."""
    made = folder / "opa"
    made.write_text(f"#!/bin/sh\n{script}\n")
    made.chmod(made.stat().st_mode | stat.S_IXUSR)
    return made


def told(answer: Answered | Cause) -> list[str]:
    assert isinstance(answer, Answered)
    return sorted(json.dumps([one.rule, one.params], sort_keys=True) for one in answer.findings)


@pytest.mark.parametrize("space", [resource.RLIM_INFINITY, ROOMY - 1])
@pytest.mark.parametrize("at", [PAGE, 2**31, 2**32 - 4])
def test_nothing_beyond_the_memory_is_read(space: int, at: int) -> None:
    engine = wasmtime.Engine(settings_for(space))
    store = wasmtime.Store(engine)
    text = f'(module (memory 1) (func (export "read") (result i32) (i32.load offset=4 (i32.const {at}))))'
    read_it = wasmtime.Instance(store, wasmtime.Module(engine, text), []).exports(store)["read"]
    assert isinstance(read_it, wasmtime.Func)
    with pytest.raises(wasmtime.Trap, match="out of bounds"):
        read_it(store)


WILD = """
import ctypes, pathlib, resource, sys
from haechi.outbound.engine.compiled import Compiled
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
compiled = Compiled(pathlib.Path(sys.argv[1]).read_bytes(), pathlib.Path(sys.argv[2]).read_bytes())
compiled.answer(b"{}")
print("asked", flush=True)
ctypes.string_at(16)
print("went on", flush=True)
"""


def test_a_process_that_reads_where_nothing_is_still_dies(module: bytes, tmp_path: Path) -> None:
    """Wasmtime looks at the signal first: an access that is not the module's own is none of its business."""
    (tmp_path / "module").write_bytes(module)
    (tmp_path / "data").write_bytes(json.dumps(read(locate()).data).encode())
    command = [sys.executable, "-c", WILD, str(tmp_path / "module"), str(tmp_path / "data")]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (-signal.SIGSEGV, "asked\n"), done.stderr


def test_a_thousand_questions_leave_nothing_behind(compiled: Compiled) -> None:
    documents = [json.dumps(case.input).encode() for case in cases.load()]
    first = [compiled.answer(document) for document in documents]
    taken = compiled.memory
    for _ in range(1000 // len(documents) + 1):
        assert [compiled.answer(document) for document in documents] == first
    assert compiled.memory == taken


def test_after_a_question_that_takes_all_memory_it_answers_as_before(compiled: Compiled) -> None:
    probe = json.dumps(probe_input()).encode()
    before = compiled.answer(probe)
    huge = json.dumps({**probe_input(), "time": "x" * (MEMORY_PAGES * PAGE)}).encode()
    with pytest.raises((wasmtime.Trap, wasmtime.WasmtimeError)):
        compiled.answer(huge)
    assert compiled.answer(probe) == before


@pytest.mark.parametrize("facts", [b"", b"{", b"\xff", b'{"a": 1} trailing', b"[" * 200_000, b"null"])
def test_what_is_no_input_has_no_decision(compiled: Compiled, facts: bytes) -> None:
    probe = json.dumps(probe_input()).encode()
    before = compiled.answer(probe)
    with contextlib.suppress(wasmtime.Trap, wasmtime.WasmtimeError):
        assert compiled.answer(facts) is None
    assert compiled.answer(probe) == before


def test_questions_that_trap_leave_no_memory_behind(compiled: Compiled) -> None:
    def space() -> int:
        return int(Path("/proc/self/statm").read_text().split()[0]) * 4096

    taken = []
    for _ in range(40):
        with contextlib.suppress(wasmtime.Trap, wasmtime.WasmtimeError):
            compiled.answer(b"[" * 200_000)
        taken.append(space())
    assert taken[-1] - taken[4] < MEMORY_PAGES * PAGE


EMPTY = b"\0asm\1\0\0\0"
IMPORTS = bytes([2, 15, 1, 3]) + b"env" + bytes([6]) + b"memory" + bytes([2, 0, 1])
LARGE = bytes([2, 16, 1, 3]) + b"env" + bytes([6]) + b"memory" + bytes([2, 0, 0x81, 0x20])
NO_MODULE = {
    "nothing": b"", "a head": b"\0asm", "text": b"no module", "no memory": EMPTY, "no functions": EMPTY + IMPORTS,
    "too large": EMPTY + LARGE,
}  # fmt: skip


@pytest.mark.parametrize("spoilt", NO_MODULE)
async def test_what_is_no_module_is_not_used(spoilt: str, started: Started) -> None:
    engine = await started(WorkerEngine(locate(), 5000, compiler=lambda _: NO_MODULE[spoilt]))
    assert len(engine.interpreted) > 10 and "\n" not in engine.interpreted
    assert isinstance(await engine.evaluate(probe_input()), Answered)


async def test_half_a_module_is_not_used(module: bytes, started: Started) -> None:
    engine = await started(WorkerEngine(locate(), 5000, compiler=lambda _: module[: len(module) // 2]))
    assert engine.interpreted
    assert isinstance(await engine.evaluate(probe_input()), Answered)


def much(when: str) -> str:
    """A finding for which a text is doubled until it is larger than a module's memory."""
    doubled = [f'\ntext{n + 1} := concat("", [text{n}, text{n}])\n' for n in range(27)]
    finding = 'findings contains {"rule": "unknown_facts", "params": {"fact": "much", "cause": "y"}} if text27 == ""\n'
    return f'\ntext0 := "x" if {when}\n' + "".join(doubled) + "\n" + finding


def greedy(folder: Path, when: str) -> Path:
    """A rule that needs more memory than a module gets."""
    rule = folder / "rules" / "unknown_facts" / "rule.rego"
    rule.write_text(rule.read_text() + much(when))
    return folder


async def test_rules_that_take_too_much_for_the_probe_are_interpreted(folder: Path, started: Started) -> None:
    engine = await started(WorkerEngine(greedy(folder, "true"), 60_000, 60, compiler=Compiler(located())))
    assert "opa_malloc" in engine.interpreted


async def test_a_question_that_takes_too_much_is_answered_by_the_interpreter(folder: Path, started: Started) -> None:
    engine = WorkerEngine(greedy(folder, 'input.time == "now"'), 60_000, 60, compiler=Compiler(located()))
    await started(engine)
    assert engine.interpreted == ""
    assert isinstance(await engine.evaluate({**probe_input(), "time": "now"}), Answered)
    assert isinstance(await engine.evaluate(probe_input()), Answered)


async def test_the_worker_answers_with_the_compiled_rules(started: Started) -> None:
    engine = await started(WorkerEngine(locate(), 5000, compiler=Compiler(located())))
    plain = await started(WorkerEngine(locate(), 5000))
    assert (engine.interpreted, plain.interpreted) == ("", "")
    one, other = [await each.evaluate(probe_input()) for each in (engine, plain)]
    assert told(one) == told(other) != []


async def test_a_rule_that_needs_its_host_is_interpreted(folder: Path, started: Started) -> None:
    rule = folder / "rules" / "unknown_facts" / "rule.rego"
    rule.write_text(rule.read_text().replace('concat(".", ["replica", replica.container, name])',
                                             'sprintf("replica.%s.%s", [replica.container, name])'))  # fmt: skip
    engine = await started(WorkerEngine(folder, 5000, compiler=Compiler(located())))
    assert "sprintf" in engine.interpreted
    assert isinstance(await engine.evaluate(probe_input()), Answered)


@pytest.mark.parametrize(
    ("script", "why"),
    [
        (None, "OPA's program is not there"),
        ("echo broken >&2; exit 3", "broken"),
        ("exit 3", "it ended with 3"),
        ("exit 0", "bundle.tar.gz"),
        ("yes", "y y y"),
        ("sleep 60 & wait", "longer than"),
        ('while [ "$1" != --output ]; do shift; done; echo nonsense > "$2"', "no module"),
    ],
)
async def test_without_a_compiler_that_works_the_rules_are_interpreted(
    script: str | None, why: str, tmp_path: Path, started: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Only what never ends is to run into the limit, however busy the machine is.
    monkeypatch.setattr("haechi.outbound.engine.compiler._WITHIN_S", 1 if script and "sleep" in script else 60)
    compiler = Compiler(program(tmp_path, script) if script else None)
    engine = await started(WorkerEngine(locate(), 5000, compiler=compiler))
    assert why in engine.interpreted
    assert isinstance(await engine.evaluate(probe_input()), Answered)


def test_a_compiler_that_hangs_is_ended_with_all_that_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("haechi.outbound.engine.compiler._WITHIN_S", 0.5)
    noted = tmp_path / "noted"
    with pytest.raises(NotCompiledError, match="longer than"):
        Compiler(program(tmp_path, f"sleep 60 & echo $! > {noted}; wait"))(read(locate()))
    child = int(noted.read_text())
    until = time.monotonic() + 10
    while Path(f"/proc/{child}/stat").exists() and Path(f"/proc/{child}/stat").read_text().split()[2] != "Z":
        assert time.monotonic() < until, "what the compiler started goes on"
        time.sleep(0.02)


async def test_a_worker_that_dies_while_others_are_compiled_is_replaced(folder: Path, started: Started) -> None:
    go_on = threading.Event()

    def slow(policies: PolicyFolder) -> bytes:
        if policies.revision != first:
            go_on.wait(30)
        return Compiler(located())(policies)

    first = read(locate()).revision
    engine = await started(WorkerEngine(locate(), 5000, compiler=slow))
    data = folder / "data.yaml"
    data.write_text(data.read_text() + "\n# another revision\n")
    changing = asyncio.create_task(engine.reload(folder))
    await asyncio.sleep(0.2)
    assert engine._worker is not None
    engine._worker.process.kill()
    until = time.monotonic() + 20
    while not isinstance(await engine.evaluate(probe_input()), Answered):
        assert time.monotonic() < until, "nobody answers until the compiler is done"
        await asyncio.sleep(0.05)
    assert not changing.done() and engine.revision == first
    go_on.set()
    await changing
    assert engine.revision != first and engine.interpreted == ""


async def test_a_module_that_says_something_else_is_not_put_in_force(folder: Path, started: Started) -> None:
    rule = folder / "rules" / "r10_region" / "rule.rego"
    rule.write_text(rule.read_text().replace("some place in facts.abroad", "false\n\tsome place in facts.abroad"))
    other = Compiler(located())(read(folder))

    def wrong(_: PolicyFolder) -> bytes:
        return other

    with pytest.raises(HaechiError) as refused:
        await started(WorkerEngine(locate(), 5000, compiler=wrong))
    assert refused.value.code == "policy.invalid"
    assert "compiled" in str(refused.value.params["why"])


def test_what_was_read_is_compiled_and_nothing_is_left(folder: Path, tmp_path: Path) -> None:
    policies = read(folder)
    shutil.rmtree(folder)
    work = tmp_path / "work"
    work.mkdir()
    assert Compiler(located(), work)(policies)
    assert list(work.iterdir()) == []


def test_what_a_killed_compilation_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / "compile-x" / "policies").mkdir(parents=True)
    (tmp_path / "other").mkdir()
    swept(tmp_path)
    assert [left.name for left in tmp_path.iterdir()] == ["other"]


def test_a_program_that_the_settings_name_is_taken_as_it_is(tmp_path: Path) -> None:
    assert located(tmp_path / "mine") == tmp_path / "mine"
    assert located() is not None, "make deps builds it"


def test_a_module_that_asks_for_too_little_memory_is_given_enough() -> None:
    """OPA's compiler asks for a page less than its constants take where they end in the last part of one."""
    constants = f'(data (i32.const {PAGE - 4}) "beyond the page")'
    module = wasmtime.wat2wasm(f'(module (import "env" "memory" (memory 1)) {constants})')
    with pytest.raises(UnusableError, match="it lacks builtins"):  # it came so far: the constants are in
        Compiled(bytes(module), b"{}")
