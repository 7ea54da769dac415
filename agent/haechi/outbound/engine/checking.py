"""OPA's own look at policies before they may be in force: strict mode, and nothing beyond the functions we allow.

The embedded interpreter has looked first; OPA's compiler is stricter (types, unused names, unsafe variables) and knows
other constructs. What either refuses is refused, with file and line. Bounded and powerless as compiling is.
Must not know: what becomes of policies.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any, Final

import msgspec

from haechi.domain.errors import HaechiError
from haechi.outbound.engine.allowed import ALLOWED

CAPABILITIES: Final = "capabilities.json"
_OPERATORS: Final = ("assign", "eq", "internal.member_2", "internal.member_3")
"""What operators are called inside OPA, besides those that say ``infix`` of themselves."""
_KEPT_WORDS: Final = 300


class _Location(msgspec.Struct):
    file: str = ""
    row: int = 0


class _Fault(msgspec.Struct):
    message: str = ""
    location: _Location | None = None


class _Faults(msgspec.Struct):
    errors: list[_Fault] = []


def narrowed(capabilities: bytes) -> bytes:
    """OPA's capabilities without every built-in that policies may not use. Raises ``msgspec.MsgspecError``."""
    said: dict[str, Any] = msgspec.json.decode(capabilities, type=dict[str, Any])
    said["builtins"] = [
        one for one in said.get("builtins", ()) if one["name"] in ALLOWED or "infix" in one or one["name"] in _OPERATORS
    ]
    said["allow_net"] = []
    return msgspec.json.encode(said)


def fault_in(said: bytes, source: Path) -> HaechiError | None:
    """The first fault that ``opa check --format json`` tells of, as ``policy.invalid``; None where it tells of none."""
    start = said.find(b"{")
    if start < 0:
        return None
    try:
        listed = msgspec.json.decode(said[start:], type=_Faults).errors
    except msgspec.MsgspecError:
        return None
    if not listed:
        return None
    first = min(listed, key=lambda one: (one.location.file, one.location.row) if one.location else ("~", 0))
    why = " ".join(first.message.split())[:_KEPT_WORDS]
    if first.location is None:
        return HaechiError("policy.invalid", file="decision", why=f"OPA: {why}")
    file = first.location.file.split(f"{source.name}/", 1)[-1]
    return HaechiError("policy.invalid", file=f"{file}:{first.location.row}", why=f"OPA: {why}")


def capabilities_of(program: Path, place: Path) -> Path:
    """A file with the narrowed capabilities of this very program. Raises ``OSError`` and ``SubprocessError``."""
    command = [str(program), "capabilities", "--current"]
    done = subprocess.run(command, cwd=place, env={"HOME": str(place)}, capture_output=True, timeout=10, check=True)
    file = place / CAPABILITIES
    try:
        file.write_bytes(narrowed(done.stdout))
    except (msgspec.MsgspecError, KeyError, TypeError) as error:
        raise OSError(f"{program} does not say what it is capable of") from error
    return file
