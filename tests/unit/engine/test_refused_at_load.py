"""What policies may not hold is refused before they are in force, with file and line: by either engine."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from haechi.domain.errors import HaechiError
from haechi.outbound.engine.checking import narrowed
from haechi.outbound.engine.compiler import Compiler, located
from haechi.outbound.engine.folder import locate, read
from haechi.outbound.engine.worker_engine import WorkerEngine

RULE = "rules/opaque/rule.rego"
NOT_ALLOWED = {
    "a call": ("x := http.send({})", "http.send"),
    "a call in a comprehension": ("x := {y | some y in [opa.runtime()]}", "opa.runtime"),
    "a call in an every": ("every x in [1] { rand.intn(\"a\", x) }", "rand.intn"),
    "a call in a negation": ("not regex.match(\"a\", \"b\")", "regex.match"),
    "a call within a call": ("x := count([time.now_ns()])", "time.now_ns"),
    "a call with an output argument": ("walk(input, [p, v])", "walk"),
    "a call in an object's value": ('x := {"a": json.marshal({})}', "json.marshal"),
    "a print": ("print(1)", "print"),
    "another function put in place of an allowed one": ("x := count([1]) with count as http.send", "with count"),
    "another function put in place of one of ours": (
        "x := data.haechi.facts.tagged with data.haechi.facts.name as opa.runtime",
        "with data.haechi.facts.name",
    ),
    "a computed function": ('x := data.haechi.rules["f"](1)', "a computed name"),
}  # fmt: skip
ONE_ENGINE = {
    "a template string, which only OPA reads": ('x := $"{input.time}"; x == ""', "invalid character"),
    "a built-in that is named, not called": ("x := http.send; x == 1", "undefined variable"),
    "a sum of other types, which the interpreter sees too late": (
        'input.time == "never"; x := "a" + 1; x == 2',
        "OPA: plus",
    ),
    "an assigned name that is not used (strict)": ("x := 1", "OPA: assigned var x unused"),
    "an unused iteration name (strict)": ("every k, v in input { v }", "OPA: declared var k unused"),
    "what neither reads": ("x := 08", "invalid number"),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "policies"
    shutil.copytree(locate(), made)
    return made


def spoilt(folder: Path, body: str) -> int:
    """Add a rule with this body to a module; gives the line that the body stands on."""
    file = folder / RULE
    text = file.read_text()
    file.write_text(f"{text}\nspoilt if {{\n\t{body}\n}}\n")
    return text.count("\n") + 3


async def refusal(folder: Path) -> HaechiError:
    engine = WorkerEngine(folder, 5000, check=Compiler(located()).check)
    try:
        with pytest.raises(HaechiError) as refused:
            await engine.start()
    finally:
        await engine.stop()
    return refused.value


@pytest.mark.parametrize("what", NOT_ALLOWED)
async def test_a_function_that_is_not_allowed_is_refused_where_it_stands(what: str, folder: Path) -> None:
    body, name = NOT_ALLOWED[what]
    line = spoilt(folder, body)
    error = await refusal(folder)
    assert (error.code, dict(error.params)) == ("policy.builtin", {"file": RULE, "line": line, "name": name})


@pytest.mark.parametrize("what", ONE_ENGINE)
async def test_what_one_engine_cannot_run_is_refused_where_it_stands(what: str, folder: Path) -> None:
    body, said = ONE_ENGINE[what]
    line = spoilt(folder, body)
    error = await refusal(folder)
    assert (error.code, error.params["file"]) == ("policy.invalid", f"{RULE}:{line}"), error
    assert said in str(error.params["why"])


async def test_an_import_may_not_hide_a_built_in(folder: Path) -> None:
    file = folder / RULE
    lines = file.read_text().splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("package ")) + 1
    lines.insert(at, "import data.haechi.facts as regex")
    file.write_text("\n".join([*lines, "", "spoilt if regex.tagged", ""]))
    error = await refusal(folder)
    assert (error.code, dict(error.params)) == (
        "policy.builtin",
        {"file": RULE, "line": at + 1, "name": "import … regex"},
    )


async def test_an_unused_import_is_refused(folder: Path) -> None:
    file = folder / RULE
    lines = file.read_text().splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("package ")) + 1
    lines.insert(at, "import data.haechi.exports")
    file.write_text("\n".join(lines) + "\n")
    error = await refusal(folder)
    assert (error.code, error.params["file"]) == ("policy.invalid", f"{RULE}:{at + 1}")


def test_opa_alone_refuses_what_is_not_allowed(folder: Path) -> None:
    """Even where the interpreter had overlooked it: OPA is told of no other functions."""
    line = spoilt(folder, 'x := regex.match("a", "b"); x')
    with pytest.raises(HaechiError) as refused:
        Compiler(located()).check(read(folder))
    assert refused.value.params["file"] == f"{RULE}:{line}"
    assert "undefined function regex.match" in str(refused.value.params["why"])


def test_a_program_that_is_no_opa_says_nothing(tmp_path: Path, folder: Path) -> None:
    """The interpreter has looked; without OPA's program the rules are interpreted, and status says so."""
    spoilt(folder, "x := 1")
    Compiler(None).check(read(folder))
    Compiler(Path("/bin/false")).check(read(folder))
    for said in (b"", b"[]", b"{"):
        with pytest.raises(Exception, match=r".+"):
            narrowed(said)


def test_the_shipped_policies_pass() -> None:
    Compiler(located()).check(read(locate()))
