"""Fingerprints of ciphertext while it is written, so that it is recognised as sealed later."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from blake3 import blake3

from haechi.payload.anchors import RUN, Winnower, fingerprint


class SealedPrints:
    """Fingerprints ciphertext while it is written: implements ``ports.index.Fingerprinting``."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._hasher = blake3(max_threads=1)
        self._winnower = Winnower(seed)
        self._prints = array("Q")
        self._head, self._tail = b"", b""

    def feed(self, data: bytes | memoryview) -> None:
        """See the port."""
        view = memoryview(data)
        self._hasher.update(view)
        self._prints.extend(self._winnower.feed(view).prints)
        if len(self._head) < RUN:
            self._head += bytes(view[: RUN - len(self._head)])
        self._tail = bytes(view[-RUN:]) if len(view) >= RUN else (self._tail + bytes(view))[-RUN:]

    def finish(self) -> tuple[str, int, Sequence[int]]:
        """See the port."""
        edges = [fingerprint(self._head, self._seed), fingerprint(self._tail, self._seed)]
        return "blake3:" + self._hasher.hexdigest(), self._winnower.seen, array("Q", [*edges, *self._prints])
