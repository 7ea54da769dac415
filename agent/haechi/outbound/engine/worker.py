"""The engine worker: one process that holds the Rego engine and nothing else.

Reads frames from the socket it inherited, one at a time, and answers each. It dies with the agent, has a bounded
address space, and holds neither files nor network. The only module that imports the engine.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
import regorus  # type: ignore[import-untyped]

from haechi.outbound.engine.frames import HEAD, MAX_BODY, SECONDS, Kind, frame

DECISION: Final = "data.haechi.decision.decision"
UNDEFINED: Final = "<undefined>"
MEMORY: Final = 4 << 30
"""Address space of the worker, bytes: a bound for a runaway rule. The engine's allocator alone reserves one GiB."""

ALLOWED: Final = frozenset(
    {
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


def answer_to(engine: regorus.Engine, number: int, body: bytes) -> bytes:
    """Evaluate one input; the seconds count everything that the engine does, parsing the input included."""
    started = time.perf_counter()
    try:
        engine.set_input_json(body.decode())
        answer = engine.eval_rule_as_json(DECISION)
    except Exception as error:
        return frame(Kind.INVALID, number, first_line(error).encode())
    seconds = time.perf_counter() - started
    if answer.strip('"') == UNDEFINED:
        return frame(Kind.UNDEFINED, number, b"")
    return frame(Kind.ANSWER, number, SECONDS.pack(seconds) + answer.encode())


def serve(channel: socket.socket) -> None:
    """Answer until the other end is gone."""
    engine: regorus.Engine | None = None
    with channel.makefile("rb") as incoming:
        while len(head := incoming.read(HEAD.size)) == HEAD.size:
            length, kind, number = HEAD.unpack(head)
            size = length - (HEAD.size - 4)
            if not 0 <= size <= MAX_BODY:
                return
            body = incoming.read(size)
            if len(body) != size:
                return
            if kind == Kind.LOAD:
                engine, reply = _loaded(engine, number, body)
            elif engine is None:
                reply = frame(Kind.INVALID, number, b"no policies are loaded")
            else:
                reply = answer_to(engine, number, body)
            channel.sendall(reply)


def _loaded(engine: regorus.Engine | None, number: int, body: bytes) -> tuple[regorus.Engine | None, bytes]:
    asked = msgspec.json.decode(body)
    modules = [(name, text) for name, text in asked["modules"]]
    try:
        made = build(modules, asked["data"], msgspec.json.encode(asked["probe"]))
    except RejectedError as rejected:
        said = msgspec.json.encode({"code": rejected.code, "params": rejected.params})
        return engine, frame(Kind.REJECTED, number, said)
    return made, frame(Kind.READY, number, b"")


def confine(parent: int) -> None:
    """Die with the agent, bound memory, leave no core file: it would hold policy inputs."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:
        raise SystemExit(0)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Ctrl-C in a terminal goes to the whole group; the agent decides when its worker ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def main(arguments: list[str]) -> None:
    """``worker FD PARENT``: the inherited socket, and the agent's process id."""
    confine(int(arguments[1]))
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        serve(socket.socket(fileno=int(arguments[0])))


if __name__ == "__main__":
    main(sys.argv[1:])
