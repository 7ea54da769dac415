"""The policies as regorus interprets them: it looks through every set of policies before it may be in force, and judges
where OPA's compiler was not at hand. Only the worker uses it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
import regorus  # type: ignore[import-untyped]

DECISION: Final = "data.haechi.decision.decision"
UNDEFINED: Final = "<undefined>"

ALLOWED: Final = frozenset(
    {
        "concat",
        "count",
        "is_array",
        "is_boolean",
        "is_number",
        "is_object",
        "is_string",
        "lower",
        "max",
        "min",
        "object.get",
        "object.keys",
        "object.union",
        "sprintf",
        "split",
        "startswith",
        "endswith",
        "contains",
        "trim",
        "upper",
        "union",
    }
)
"""Built-in functions that policies may use: pure, quick, and the same in both engines."""

NAMESPACES: Final = frozenset(
    {"crypto", "glob", "graph", "graphql", "http", "io", "json", "net", "opa", "rand", "regex", "rego", "semver",
     "strings", "time", "trace", "units", "uuid", "walk", "print"}
)  # fmt: skip
"""First names that no import may take, so that an alias cannot hide a built-in."""


class RejectedError(Exception):
    """The policies are not to be loaded."""

    def __init__(self, code: str, **params: object) -> None:
        self.code, self.params = code, params
        super().__init__(code)


def build(modules: list[tuple[str, str]], data: Mapping[str, Any], probe: bytes) -> regorus.Engine:
    """An engine with the policies loaded, tried once. Raises ``RejectedError``."""
    engine = regorus.Engine()
    for name, text in modules:
        try:
            engine.add_policy(name, text)
        except Exception as error:
            raise RejectedError("policy.invalid", file=name, why=first_line(error)) from error
    try:
        engine.add_data_json(msgspec.json.encode(data).decode())
    except Exception as error:
        raise RejectedError("policy.invalid", file="data.yaml", why=first_line(error)) from error
    for name, text in modules:
        # One module at a time: the tree of all together repeats every source and takes over a gigabyte.
        alone = regorus.Engine()
        alone.add_policy(name, text)
        for file, line, called in foreign_calls(msgspec.json.decode(alone.get_ast_as_json())):
            raise RejectedError("policy.builtin", file=file, line=line, name=called)
    try:
        engine.set_input_json(probe.decode())
        answer = msgspec.json.decode(engine.eval_rule_as_json(DECISION))
    except Exception as error:
        raise RejectedError("policy.invalid", file="decision", why=first_line(error)) from error
    for name, _ in modules:
        if name.startswith("rules/") and name.endswith("/rule.rego"):
            _speaks(engine, name)
    if not isinstance(answer, dict) or not answer.get("findings"):
        got = answer if not isinstance(answer, dict) else "no findings"
        raise RejectedError("policy.probe", got=str(got))
    return engine


def _speaks(engine: regorus.Engine, name: str) -> None:
    """Refuse a rule that can never speak, because what it exports is not called ``findings`` or is no set."""
    try:
        found = msgspec.json.decode(engine.eval_rule_as_json(f"data.haechi.rules.{name.split('/')[1]}.findings"))
    except Exception as error:
        raise RejectedError("policy.invalid", file=name, why=f"findings: {first_line(error)}") from error
    if not isinstance(found, list):
        raise RejectedError("policy.invalid", file=name, why="findings is not a set")


def foreign_calls(modules: list[dict[str, Any]]) -> Iterator[tuple[str, int, str]]:
    """Every call of a function that is neither allowed nor the policies' own: file, line, name."""
    for module in modules:
        tree = module["ast"]
        own = {name for head in _found(tree, "Func") if (name := _name(head.get("refr", {})))}
        aliases = {name for item in tree.get("imports", ()) if (name := _alias(item))}
        for taken in aliases & NAMESPACES:
            yield module["source"]["file"], 1, f"import … {taken}"
        for call in _found(tree, "Call"):
            called = _name(call["fcn"])
            first = called.split(".")[0]
            if called in ALLOWED or called in own or first in aliases or called.startswith("data.haechi."):
                continue
            yield module["source"]["file"], int(call["span"]["line"]), called or "a computed name"


def _found(tree: object, kind: str) -> Iterator[dict[str, Any]]:
    """All nodes of one kind in a syntax tree."""
    stack = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, dict):
            if isinstance(node.get(kind), dict):
                yield node[kind]
            stack.extend(node.values())
        elif isinstance(node, list):
            stack.extend(node)


def _name(node: Mapping[str, Any]) -> str:
    """The dotted name a reference spells; empty where it is computed."""
    if "Var" in node:
        return str(node["Var"]["value"])
    if "RefDot" in node:
        before = _name(node["RefDot"]["refr"])
        return f"{before}.{node['RefDot']['field'][1]}" if before else ""
    return ""


def _alias(item: Mapping[str, Any]) -> str:
    given = item.get("as")
    if isinstance(given, dict):
        return str(given.get("value", given.get("text", "")))
    return _name(item["refr"]).rsplit(".", 1)[-1]


def first_line(error: Exception) -> str:
    """What an engine's error says, without its stack; engines put it on the line after ``error:``."""
    lines = [line.strip() for line in str(error).split("Stack backtrace")[0].splitlines() if line.strip()]
    said = [line for line in lines if line.startswith("error:")] or lines
    place = lines[0].removeprefix("--> ") if lines and lines[0].startswith("-->") else ""
    return f"{place} {said[0].removeprefix('error: ')}".strip()[:400] if said else type(error).__name__


class Interpreted:
    """Judges with a loaded engine."""

    def __init__(self, engine: regorus.Engine) -> None:
        self._engine = engine

    def answer(self, facts: bytes) -> bytes | None:
        """The decision as JSON; None where it is undefined. Raises the engine's own errors."""
        self._engine.set_input_json(facts.decode())
        said: str = self._engine.eval_rule_as_json(DECISION)
        return None if said.strip('"') == UNDEFINED else said.encode()
