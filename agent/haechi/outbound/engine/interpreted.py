"""The policies as regorus interprets them: it looks through every set of policies before it may be in force, and judges
where OPA's compiler was not at hand. Only the worker uses it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec
import regorus  # type: ignore[import-untyped]

from haechi.outbound.engine.allowed import foreign_calls

DECISION: Final = "data.haechi.decision.decision"
UNDEFINED: Final = "<undefined>"


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
            raise RejectedError("policy.invalid", file=placed(name, error), why=first_line(error)) from error
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
        raise RejectedError("policy.invalid", file=placed("decision", error), why=first_line(error)) from error
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
        raise RejectedError("policy.invalid", file=placed(name, error), why=f"findings: {first_line(error)}") from error
    if not isinstance(found, list):
        raise RejectedError("policy.invalid", file=name, why="findings is not a set")


_PLACE: Final = re.compile(r"^\s*--> (.+):(\d+):\d+\s*$", re.MULTILINE)


def placed(name: str, error: Exception) -> str:
    """The file that an engine's error speaks of, with the line where it tells one: ``rules/x/rule.rego:12``."""
    found = _PLACE.search(str(error))
    return f"{found[1]}:{found[2]}" if found else name


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
