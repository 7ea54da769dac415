"""Deltas in git packs: the objects that they may build on, and what a delta makes of one.

A delta (git's pack-format) is the size of its base, that of its target, and steps: copy so many bytes of the base from
there, or insert the bytes that follow. Knows nothing of how a pack lies on the wire.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from haechi.payload.nesting import UnreadableError

KEPT: Final = 32 << 20
"""Bytes of objects that are kept as bases of deltas, of one pack."""
KINDS: Final = {1: b"commit", 2: b"tree", 3: b"blob", 4: b"tag"}
NAMES: Final = {20: hashlib.sha1, 32: hashlib.sha256}
"""How objects are named, by the length of a name."""


@dataclass(frozen=True, slots=True)
class Kept:
    """An object that a delta may build on."""

    kind: int
    name: bytes
    data: bytes


class Bases:
    """The objects of one pack that are kept, by where they begin and by name; the oldest go first."""

    def __init__(self) -> None:
        self._by_offset: OrderedDict[int, Kept] = OrderedDict()
        self._by_name: dict[bytes, Kept] = {}
        self._size = 0

    def keep(self, offset: int, kind: int, data: bytes, digest: int) -> None:
        """Keep an object, whose name has ``digest`` bytes."""
        name = NAMES[digest](b"%b %d\0" % (KINDS[kind], len(data)), usedforsecurity=False)
        name.update(data)
        kept = Kept(kind, name.digest(), data)
        self._by_offset[offset] = self._by_name[kept.name] = kept
        self._size += len(data)
        while self._size > KEPT:
            _, oldest = self._by_offset.popitem(last=False)
            self._size -= len(oldest.data)
            self._by_name.pop(oldest.name, None)

    def find(self, base: int | bytes) -> Kept | None:
        """By offset or name."""
        return self._by_name.get(base) if isinstance(base, bytes) else self._by_offset.get(base)


def patched(base: bytes | None, delta: bytes) -> Iterator[bytes]:
    """The pieces of the target in order; those that are copied are left out without a base. Raises ``UnreadableError``
    for what does not fit.
    """
    try:
        _, at = _size(delta, 0)
        size, at = _size(delta, at)
        while at < len(delta):
            step, at = delta[at], at + 1
            if step & 0x80:
                numbers = [0] * 7
                for bit in range(7):
                    if step >> bit & 1:
                        numbers[bit], at = delta[at], at + 1
                start = int.from_bytes(bytes(numbers[:4]), "little")
                length = int.from_bytes(bytes(numbers[4:]), "little") or 0x10000
                piece = base[start : start + length] if base is not None else b""
                short = base is not None and len(piece) != length
            else:
                length, piece = step, delta[at : at + step]
                at += step
                short = len(piece) != length or not step
            size -= length
            if short or size < 0:
                raise UnreadableError("malformed-member")
            yield piece
    except IndexError as problem:
        raise UnreadableError("malformed-member") from problem
    if size:
        raise UnreadableError("malformed-member")


def _size(delta: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte, at = delta[at], at + 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80 or shift > 63:
            return value, at
