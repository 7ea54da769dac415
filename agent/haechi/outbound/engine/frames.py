"""The frames between agent and engine worker: length, kind, id, body. Shared by both ends, knows neither.

======  =====================================================
bytes   meaning
======  =====================================================
4       length of all that follows, big-endian
1       kind (``Kind``)
8       id of the question; an answer carries the same
rest    body: JSON, or for ``ANSWER`` 8 bytes of seconds (double) and JSON
======  =====================================================
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from enum import IntEnum
from typing import Any

import msgspec

HEAD = struct.Struct(">IBQ")
SECONDS = struct.Struct(">d")
MAX_BODY = 16 * 1024 * 1024
"""Neither end takes more: a policy input is a few kilobytes, a policy folder at most four megabytes."""


class Kind(IntEnum):
    """What a frame says."""

    LOAD = 1
    EVALUATE = 2
    READY = 3
    REJECTED = 4
    """The policies cannot be loaded: a code and its parameters."""
    ANSWER = 5
    UNDEFINED = 6
    INVALID = 7
    """The engine failed on this input; the body says why."""


class Policies(msgspec.Struct, frozen=True):
    """The body of ``LOAD``. ``compiled`` is WebAssembly; the answer ``READY`` says why it was not used, or nothing.

    ``beside``: another worker answers meanwhile, so that this one takes one processor and not all.
    """

    modules: list[tuple[str, str]]
    data: dict[str, Any]
    probe: Mapping[str, Any]
    compiled: bytes | None = None
    beside: bool = False


def frame(kind: Kind, number: int, body: bytes) -> bytes:
    """One frame, ready to send."""
    return HEAD.pack(len(body) + HEAD.size - 4, kind, number) + body
