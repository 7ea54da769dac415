"""A fact that may be unknown.

Unknown is a value of its own: never an empty string, never ``None``, never ``False``. It travels to
the policy as ``{"unknown": "<cause>"}``, so a rule must say what it does about it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Unknown:
    """A fact that could not be learned.

    ``cause`` is a short stable code in kebab-case (``access-denied``, ``timeout``, ``not-read``),
    which messages and the documentation translate.
    """

    cause: str

    def __bool__(self) -> bool:
        raise TypeError(f"an unknown fact ({self.cause}) has no truth value; compare it explicitly")


Known: TypeAlias = T | Unknown

JSON: TypeAlias = Mapping[str, "JSON"] | list["JSON"] | str | int | float | bool | None


def as_json(fact: object) -> JSON:
    """Render a known or unknown fact the way the policy input writes it."""
    if isinstance(fact, Unknown):
        return {"unknown": fact.cause}
    if fact is None or isinstance(fact, str | int | float | bool):
        return fact
    if isinstance(fact, Mapping):
        return {str(key): as_json(value) for key, value in fact.items()}
    if isinstance(fact, list | tuple | set | frozenset):
        rendered = [as_json(item) for item in fact]
        return rendered if isinstance(fact, list | tuple) else sorted(rendered, key=repr)
    raise TypeError(f"{type(fact).__name__} is not a fact")


def causes(value: JSON) -> Iterator[str]:
    """The causes of all that is unknown in facts rendered by ``as_json``, in order, repeated ones too."""
    if isinstance(value, Mapping):
        cause = value.get("unknown")
        if isinstance(cause, str) and len(value) == 1:
            yield cause
            return
        for item in value.values():
            yield from causes(item)
    elif isinstance(value, list):
        for item in value:
            yield from causes(item)
