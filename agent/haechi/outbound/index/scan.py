"""One stream against the index: its digest, its blocks, and which protected contents they belong to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from blake3 import blake3

from haechi.domain.content import Content, ContentState, Match, MatchHow
from haechi.domain.tags import Tag
from haechi.outbound.index.hot import UNIT, Hot
from haechi.payload.anchors import PIECE, RUN, WINDOW, Blocks, Winnower
from haechi.ports.index import Edges

MOST_MATCHES = 32
"""A verdict needs every protection, not every file that has it: beyond this, one content stands for each set of
tags."""


@dataclass(frozen=True, slots=True)
class Detail:
    """What is stored of one content. ``head`` and ``tail`` are prints of the edges of sealed ciphertext."""

    number: int
    digest: bytes
    size: int
    name: str
    tags: tuple[Tag, ...]
    sealed: bool
    head: int = 0
    tail: int = 0


class Contents(Protocol):
    """What a scan needs of the index."""

    @property
    def hot(self) -> Hot:
        """The memory side as it is now."""

    @property
    def seed(self) -> int:
        """The secret of the fingerprints."""

    def detail(self, number: int) -> Detail | None:
        """What is stored; None when it was released meanwhile."""

    def with_digest(self, digest: bytes, size: int) -> Detail | None:
        """The content that is exactly this."""


@dataclass(slots=True)
class Seen:
    """What of one content was seen. ``units`` marks the 512-byte units of a plain content that were surely seen;
    sealed ciphertext is followed along the stream instead: ``until`` where its blocks cover, ``broken`` once they
    left a gap.
    """

    detail: Detail
    units: bytearray = field(default_factory=bytearray)
    until: int = WINDOW - 1
    broken: bool = False

    def take(self, start: int, unit: int) -> bool:
        """A block of this content passed at ``start``; True when that changed by what it is recognised."""
        if not self.detail.sealed:
            end = unit + WINDOW // UNIT
            if len(self.units) < end:
                self.units.extend(bytes(end - len(self.units)))
            self.units[unit + 1 : end] = b"\x01" * (end - unit - 1)
            return False
        if self.broken:
            return False
        self.broken = start > self.until
        self.until = max(self.until, start + WINDOW)
        return self.broken

    def covers(self, size: int) -> bool:
        """Whether the sealed blocks cover all of a stream of ``size`` bytes but edges too short to hold a block."""
        return not self.broken and size - self.until < WINDOW

    def match(self, how: MatchHow) -> Match:
        """What is said of it."""
        detail = self.detail
        passed = self.until if detail.sealed else self.units.count(1) * UNIT
        seen = detail.size if how is MatchHow.EXACT else min(passed, detail.size)
        digest = "blake3:" + detail.digest.hex()
        return Match(f"c{detail.number}", detail.name, detail.tags, how, seen, detail.size, digest)


def fewest(matches: list[Match]) -> tuple[Match, ...]:
    """At most ``MOST_MATCHES``, best first, and every set of tags among them whatever it takes."""
    matches.sort(key=lambda match: (match.how is not MatchHow.EXACT, -match.share, match.content_id))
    if len(matches) <= MOST_MATCHES:
        return tuple(matches)
    kept: dict[tuple[object, ...], Match] = {}
    for match in matches:
        kept.setdefault((match.how is MatchHow.SEALED, *protection_of(match.tags)), match)
    chosen = list(kept.values())
    rest = [match for match in matches if match not in chosen]
    return tuple(chosen + rest[: max(0, MOST_MATCHES - len(chosen))])


def protection_of(tags: tuple[Tag, ...]) -> tuple[tuple[str, str, str], ...]:
    """What of tags decides: not who marked them, nor when."""
    return tuple((tag.technology, tag.grade.value, tag.funding.value) for tag in tags)


class IndexScan:
    """A scan. Any thread may feed it, one at a time; nearly all of ``feed`` runs without the interpreter's lock."""

    def __init__(self, contents: Contents, *, piece: bool = False) -> None:
        self._contents = contents
        self._piece = piece
        self._hasher = blake3(max_threads=1)
        self._winnower = Winnower(contents.seed)
        self._seen: dict[int, Seen] = {}
        self._head = b""
        self._tail = b""
        self._known: tuple[Match, ...] | None = ()

    def feed(self, data: bytes | memoryview) -> bool:
        """See ``ports.index.Scan``. Raises ``HaechiError`` when a hit cannot be looked up."""
        view = memoryview(data)
        grew = False
        for at in range(0, len(view), PIECE):
            piece = view[at : at + PIECE]
            self._keep_edges(piece)
            self._hasher.update(piece)
            grew = self._look_up(self._winnower.feed(piece)) or grew
        return grew

    def _keep_edges(self, piece: memoryview) -> None:
        if len(self._head) < RUN:
            self._head += bytes(piece[: RUN - len(self._head)])
        self._tail = bytes(piece[-RUN:]) if len(piece) >= RUN else (self._tail + bytes(piece))[-RUN:]

    def _look_up(self, blocks: Blocks) -> bool:
        hot = self._contents.hot
        if not blocks.prints or not len(hot.table):
            return False
        grew = False
        for index, value in hot.table.hits(blocks.prints):
            number, unit = hot.locate(value)
            seen = self._seen.get(number)
            if seen is None:
                detail = self._contents.detail(number)
                if detail is None:
                    continue
                seen = self._seen[number] = Seen(detail)
                grew = True
            grew = seen.take(blocks.starts[index], unit) or grew
            self._known = None
        return grew

    @property
    def matches(self) -> tuple[Match, ...]:
        """What was recognised so far. Sealed ciphertext is taken for that until it shows a gap."""
        if self._known is None:
            self._known = fewest(
                [
                    seen.match(MatchHow.SEALED if seen.detail.sealed and not seen.broken else MatchHow.PARTIAL)
                    for seen in self._seen.values()
                ]
            )
        return self._known

    def finish(self) -> Content:
        """See ``ports.index.Scan``."""
        size, digest = self._winnower.seen, self._hasher.digest()
        matches: list[Match] = []
        exact = self._contents.with_digest(digest, size)
        if exact is not None:
            whole = Seen(exact, until=size)
            matches.append(whole.match(MatchHow.SEALED if exact.sealed else MatchHow.EXACT))
        for number, seen in self._seen.items():
            if exact is None or exact.number != number:
                sealed = seen.detail.sealed and self._piece and seen.covers(size)
                matches.append(seen.match(MatchHow.SEALED if sealed else MatchHow.PARTIAL))
        self._known = fewest(matches)
        state = ContentState.MATCHED if matches else ContentState.CLEAN
        return Content(state, self._known, size, "blake3:" + digest.hex())

    def edges(self) -> Edges:
        """See ``ports.index.Scan``."""
        return Edges(self._head, self._tail, self._winnower.seen)
