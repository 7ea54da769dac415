"""How far a decoder goes before it calls a stream opaque. Every number is a choice of this project."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on unpacking one body. What lies beyond is reported as opaque, never as clean.

    ``depth`` is how many archives or encodings may lie in each other. ``burst`` bytes may come out of each level for
    every 64 KiB of the stored object: it bounds memory and time against decompression bombs, at a ratio of 128.
    ``expanded`` bytes may come out in all; ``members`` counts archive members and form parts. ``window`` bounds the
    memory of one decompressor.
    """

    depth: int = 3
    wraps: int = 5
    """How many forms, strings and base64 texts may lie in each other beside that: they expand nothing."""
    burst: int = 8 << 20
    expanded: int = 64 << 30
    members: int = 100_000
    window: int = 128 << 20
    form_fields: int = 1 << 16
    """Bytes of form fields kept for the judge (key, acl, x-amz-…)."""
    form_parts: int = 256
