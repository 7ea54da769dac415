"""The lines of the control protocol: bounds, encoding, and what a hostile line gets for an answer. No I/O."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from haechi.domain.errors import HaechiError

MAX_LINE = 1 << 20
"""Bytes of one line, either way, its newline included."""
MAX_FILES = 32
"""Open files that one request may hand over."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request. ``files`` is how many descriptors travel with it."""

    id: str
    name: str
    args: dict[str, Any] = field(default_factory=dict)
    files: int = 0


def encode(message: Mapping[str, object]) -> bytes:
    """One line. Raises ``HaechiError('control.too-large')`` where the message is over the bound."""
    # ASCII keeps file names that are not UTF-8 (lone surrogates) intact over the wire.
    line = json.dumps(message, separators=(",", ":"), default=_plain).encode("ascii") + b"\n"
    if len(line) > MAX_LINE:
        raise HaechiError("control.too-large", limit=MAX_LINE)
    return line


def decode_call(line: bytes) -> Call:
    """Read a request. Raises ``HaechiError('control.bad-request', reason=…)``; total on hostile bytes."""
    message = _object(line)
    identity, name = message.get("id"), message.get("call")
    args, files = message.get("args", {}), message.get("files", 0)
    if not isinstance(identity, str | int) or isinstance(identity, bool) or len(str(identity)) > 64:
        raise HaechiError("control.bad-request", reason="id")
    if not isinstance(name, str) or not 0 < len(name) <= 128:
        raise HaechiError("control.bad-request", reason="call")
    if not isinstance(args, dict):
        raise HaechiError("control.bad-request", reason="args")
    if not isinstance(files, int) or isinstance(files, bool) or not 0 <= files <= MAX_FILES:
        raise HaechiError("control.bad-request", reason="files")
    return Call(str(identity), name, args, files)


def decode_answer(line: bytes) -> dict[str, Any]:
    """Read one answer. Raises ``HaechiError('control.bad-answer')``."""
    try:
        return _object(line)
    except HaechiError as error:
        raise HaechiError("control.bad-answer") from error


def error_form(error: HaechiError) -> dict[str, object]:
    """The form in which a named error travels."""
    return {"code": error.code, "params": error.params}


def error_from(form: object) -> HaechiError:
    """The named error that travelled, or ``control.bad-answer``."""
    if isinstance(form, dict) and isinstance(form.get("code"), str) and isinstance(form.get("params", {}), dict):
        params = {key: value for key, value in form.get("params", {}).items() if key not in ("self", "code")}
        return HaechiError(form["code"], **params)
    return HaechiError("control.bad-answer")


def _object(line: bytes) -> dict[str, Any]:
    try:
        message = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise HaechiError("control.bad-request", reason="json") from error
    if not isinstance(message, dict):
        raise HaechiError("control.bad-request", reason="object")
    return message


def _plain(value: object) -> object:
    """What JSON lacks, as people write it: paths and times as text, sets as ordered lists."""
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, set | frozenset):
        return sorted(value, key=repr)
    if isinstance(value, Mapping):
        return dict(value)
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return str(value)
