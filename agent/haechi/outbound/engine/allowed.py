"""The built-in functions that policies may use, and where a module uses others: read in the interpreter's syntax tree.

Knows the tree's form (regorus' ``get_ast_as_json``) and nothing of how it is made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

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


def foreign_calls(modules: list[dict[str, Any]]) -> list[tuple[str, int, str]]:
    """Every use of a function that is neither allowed nor the policies' own, the first line first: file, line, name."""
    return sorted(_foreign(modules))


def _foreign(modules: list[dict[str, Any]]) -> Iterator[tuple[str, int, str]]:
    for module in modules:
        tree = module["ast"]
        own = {name for head in _found(tree, "Func") if (name := _name(head.get("refr", {})))}
        text = str(module["source"]["contents"]).encode()
        aliases = {name for item in tree.get("imports", ()) if (name := _alias(item, text))}
        file = str(module["source"]["file"])
        for item in tree.get("imports", ()):
            if _alias(item, text) in NAMESPACES:
                yield file, int(item["span"]["line"]), f"import … {_alias(item, text)}"
        for replaced in _lists(tree, "with_mods"):
            # Whatever is replaced but the input may be a function, and what it is replaced by any built-in.
            if _name(replaced["refr"]).split(".")[0] != "input":
                yield file, int(replaced["span"]["line"]), f"with {_name(replaced['refr'])}"
        for call in _found(tree, "Call"):
            called = _name(call["fcn"])
            first = called.split(".")[0]
            if called in ALLOWED or called in own or first in aliases or called.startswith("data.haechi."):
                continue
            yield file, int(call["span"]["line"]), called or "a computed name"


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


def _lists(tree: object, name: str) -> Iterator[dict[str, Any]]:
    """All entries of the lists of one name in a syntax tree."""
    stack = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, dict):
            yield from node.get(name) or ()
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


def _alias(item: Mapping[str, Any], text: bytes) -> str:
    """The name by which an import is called; the tree tells only where in the text it stands."""
    given = item.get("as")
    if isinstance(given, dict):
        return text[int(given["start"]) : int(given["end"])].decode()
    return _name(item["refr"]).rsplit(".", 1)[-1]
