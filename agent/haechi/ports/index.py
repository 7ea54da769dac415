"""The index of protected content, as a judge needs it: synchronous and in memory where it is hot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from haechi.domain.content import Content, Match
from haechi.domain.tags import Tag


@dataclass(frozen=True, slots=True)
class Edges:
    """What must be kept of a piece so that a run over the seam to its neighbours is still found.

    ``head`` and ``tail`` are the piece's first and last bytes, at most one guaranteed run each; where the piece
    is shorter than both, ``head`` is all of it and ``tail`` equals ``head``.
    """

    head: bytes
    tail: bytes
    size: int


class Scan(Protocol):
    """One stream of decoded bytes, compared with the index while it passes. Constant memory."""

    def feed(self, data: bytes | memoryview) -> bool:
        """Take the next bytes, cut anywhere. True when ``matches`` grew by a content or a way of recognition."""

    @property
    def matches(self) -> tuple[Match, ...]:
        """What was recognised so far."""

    def finish(self) -> Content:
        """The stream ended: exact matches are known now, digest and size are set. CLEAN or MATCHED."""

    def edges(self) -> Edges:
        """Head, tail and size of what passed, for the union of an assembled object. After ``finish``."""


class Fingerprinting(Protocol):
    """A stream that is being produced, so that ``remember_sealed`` can be told of it."""

    def feed(self, data: bytes | memoryview) -> None:
        """Take the next bytes of the ciphertext, cut anywhere."""

    def finish(self) -> tuple[str, int, Sequence[int]]:
        """Digest (``blake3:<hex>``), size in bytes and chunks, as ``remember_sealed`` wants them."""


class ContentIndex(Protocol):
    """All protected content of this machine.

    Calls that must read from storage raise ``HaechiError`` (``index.corrupt``, ``index.locked``): then the index could
    not answer, which is never the same as *nothing found*.
    """

    @property
    def revision(self) -> int:
        """Grows with every change; equal revisions give equal answers."""

    @property
    def empty(self) -> bool:
        """Whether nothing at all is protected, so that no body can match."""

    def worst_tags(self) -> tuple[Tag, ...]:
        """The strictest tag of each technology in the index: what an uninspected body is assumed to carry."""

    @property
    def ready(self) -> bool:
        """Whether the files were gone through since the start, or since the index had to be made anew, and no change of
        one waits too long to be looked at. Else content that is protected may be missing from it.
        """

    def scan(self, *, piece: bool = False) -> Scan:
        """A new scan against the index as it is now; content tagged while it runs is seen from then on.

        ``piece`` says that the stream is one piece of an object under assembly. A stream is ``SEALED`` when its whole
        body is ciphertext that was remembered; a piece when all but its edges is, and ``seams`` judges the edges.
        """

    def fingerprinting(self) -> Fingerprinting:
        """Begin to fingerprint ciphertext of the agent's own making."""

    def seams(self, pieces: Sequence[Edges]) -> tuple[Match, ...]:
        """What is recognised across the seams of neighbouring pieces, in object order; and, where all pieces were
        kept whole, by the digest of the whole.
        """

    def remember_sealed(self, digest: str, size: int, name: str, tags: tuple[Tag, ...], chunks: Sequence[int]) -> None:
        """Remember ciphertext of the agent's own making (layer 1): ``digest`` is ``blake3:<hex>``."""
