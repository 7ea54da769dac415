"""An event's bytes in a record, or a named cause why it cannot be recorded. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from haechi.domain.audit import MAX_LINE, canonical
from haechi.domain.errors import HaechiError
from haechi.domain.facts import JSON

_FRAME = 512
"""Bytes that a record needs besides its event, rounded up."""


def encoded(event: Mapping[str, JSON]) -> bytes:
    """The event's canonical form. Raises ``HaechiError``: ``audit.not-recordable``, ``audit.too-large``."""
    try:
        raw = canonical(event)
    except UnicodeEncodeError:
        raw = canonical({str(_spelled(name)): _spelled(item) for name, item in event.items()})
    except (TypeError, ValueError, RecursionError) as error:
        raise HaechiError("audit.not-recordable", cause=str(error)[:200]) from error
    if len(raw) > MAX_LINE - _FRAME:
        raise HaechiError("audit.too-large", bytes=len(raw), limit=MAX_LINE - _FRAME)
    return raw


def _spelled(value: JSON) -> JSON:
    """Names from the file system may hold bytes that are no text; they are spelled out, not lost."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, Mapping):
        return {str(_spelled(name)): _spelled(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_spelled(item) for item in value]
    return value
