"""Words: both languages, the same parameters, none missing, none given twice, none that nothing says; and only
parameters that are there.
"""

from __future__ import annotations

import ast
import re
import string
from collections.abc import Iterator
from pathlib import Path

import haechi.words
import pytest
from haechi.words import catalogue, say
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[3]
FILES = sorted(Path(haechi.words.__file__).parent.glob("*.yaml"))
HANGUL = re.compile(r"[가-힣]")


def parameters(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def sources() -> Iterator[tuple[Path, ast.Module]]:
    for folder in ("agent/haechi", "connectors/haechi_connectors"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            yield file, ast.parse(file.read_text(encoding="utf-8"))


def spoken(function: str) -> Iterator[tuple[str, str, set[str] | None]]:
    """Place, code and parameter names of each call with a literal code; None where parameters are unpacked."""
    for file, tree in sources():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            first = node.args[0]
            if name == function and isinstance(first, ast.Constant) and isinstance(first.value, str):
                given = {keyword.arg for keyword in node.keywords if keyword.arg}
                unpacked = any(keyword.arg is None for keyword in node.keywords)
                yield f"{file.relative_to(ROOT)}:{node.lineno}", first.value, None if unpacked else given


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_both_languages_say_the_same_parameters(file: Path) -> None:
    # This reader, unlike the quick one in use, refuses a code that is given twice in one file.
    words = YAML(typ="safe", pure=True).load(file.read_text(encoding="utf-8"))
    for code, texts in words.items():
        assert set(texts) == {"ko", "en"}, code
        assert parameters(texts["ko"]) == parameters(texts["en"]), code
        assert texts["ko"].strip(), code
        assert texts["en"].strip(), code
        assert not HANGUL.search(texts["en"]), code


def test_no_code_is_defined_in_two_files() -> None:
    codes = [code for file in FILES for code in YAML(typ="safe", pure=True).load(file.read_text(encoding="utf-8"))]
    assert sorted(codes) == sorted(catalogue())


def test_korean_is_korean_wherever_it_is_a_sentence() -> None:
    english = [
        code for code, texts in catalogue().items() if len(texts["ko"].split()) > 3 and not HANGUL.search(texts["ko"])
    ]
    assert english == []


def test_every_error_that_the_source_raises_has_words() -> None:
    missing = {code: place for place, code, _ in spoken("HaechiError") if code not in catalogue()}
    assert missing == {}


def test_every_code_that_the_source_says_has_words() -> None:
    missing = {code: place for place, code, _ in spoken("say") if code not in catalogue()}
    assert missing == {}


VARIABLE = "(.+)"


def pattern(node: ast.expr) -> str:
    """What a text can be that is put together: its fixed parts, and anything for the others."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return re.escape(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(pattern(part) for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return pattern(node.left) + pattern(node.right)
    return VARIABLE


def texts_of_policies() -> set[str]:
    """Every text in the rules: they name facts by theirs."""
    rules = (ROOT / "policies").rglob("*.rego")
    return {text for file in rules for text in re.findall(r'"([^"\n]*)"', file.read_text(encoding="utf-8"))}


class Sayable:
    """Which codes the source can come to say: those that stand in it, and those that it puts together from parts that
    stand in it or in the rules.
    """

    def __init__(self) -> None:
        nodes = [node for _, tree in sources() for node in ast.walk(tree)]
        self._texts = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
        self._parts = self._texts | texts_of_policies()
        made = {pattern(node) for node in nodes if isinstance(node, ast.JoinedStr | ast.BinOp)}
        # A text of which only a letter is fixed could be anything.
        made = {one for one in made if VARIABLE in one and len(one.replace(VARIABLE, "").replace("\\", "")) > 1}
        self._made = [re.compile(one) for one in made if r"\." in one.split(VARIABLE)[0]]
        self._behind = [re.compile(one) for one in made if one.startswith(VARIABLE + r"\.") and one.count("(") == 1]

    def __contains__(self, code: str) -> bool:
        if code in self._texts:
            return True
        inside = [found.groups() for one in self._made if (found := one.fullmatch(code))]
        before = [found[1] for one in self._behind if (found := one.fullmatch(code))]
        return any(all(map(self._is_part, parts)) for parts in inside) or any(
            part in self._texts or part in self for part in before
        )

    def _is_part(self, part: str) -> bool:
        """A cause is an error's code with a hyphen for its dot."""
        return part in self._parts or part.isdigit() or part.replace("-", ".", 1) in self._texts


def test_no_words_are_kept_that_nothing_says() -> None:
    sayable = Sayable()
    assert "permit.kind-exception" in sayable and "install.step-user.undo" in sayable
    assert "permit.kind-surely-not" not in sayable and "surely.not" not in sayable
    assert [code for code in catalogue() if code not in sayable] == []


@pytest.mark.parametrize("function", ["HaechiError", "say"])
def test_words_ask_for_no_parameter_that_is_not_given(function: str) -> None:
    lacking = {
        place: (code, sorted(parameters(catalogue()[code]["en"]) - given))
        for place, code, given in spoken(function)
        if given is not None and code in catalogue() and parameters(catalogue()[code]["en"]) - given
    }
    assert lacking == {}


def test_an_unknown_code_says_itself() -> None:
    assert say("no.such-code", None, file="x") == "no.such-code {'file': 'x'}"
