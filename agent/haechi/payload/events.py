"""What a decoder says while a body passes.

Theory. A body is a tree of byte streams: stream 0 is the object that the store will keep; a form part, a decoded
content encoding or an archive member is a stream of its own below it. A decoder is fed bytes cut anywhere and
answers with events; how the body was cut never changes the events' concatenation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeAlias


@dataclass(frozen=True, slots=True)
class Opened:
    """A stream below ``parent`` began. ``name`` is the member's or part's name, for messages; ``kind``:
    object, part, encoding, member.
    """

    stream: int
    parent: int
    kind: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Bytes:
    """The next bytes of a stream. The view is valid until the next ``feed``."""

    stream: int
    data: memoryview


@dataclass(frozen=True, slots=True)
class Closed:
    """A stream ended where its format says so."""

    stream: int


@dataclass(frozen=True, slots=True)
class Opaque:
    """The rest of this stream's inner content cannot be read. ``cause``: encrypted, unsupported, too-deep, too-large,
    malformed-member, high-entropy.
    """

    stream: int
    cause: str


Event: TypeAlias = Opened | Bytes | Closed | Opaque


class MalformedError(ValueError):
    """The outer framing breaks its own rules, so what a store would make of it is not known: refuse.

    ``code`` is stable (``chunk-size``, ``chunk-signature``, ``length-mismatch``, ``boundary``, ``cut-short`` …),
    ``offset`` the byte of the wire body at which it was noticed.
    """

    def __init__(self, code: str, offset: int) -> None:
        self.code = code
        self.offset = offset
        super().__init__(f"{code} at byte {offset}")


class Decoder(Protocol):
    """Decodes one request body."""

    def feed(self, data: bytes | memoryview) -> list[Event]:
        """Take the next bytes of the wire body. Raises ``MalformedError``."""

    def finish(self) -> list[Event]:
        """The wire body ended. Raises ``MalformedError('cut-short')`` when the framing was not complete."""

    @property
    def complete(self) -> bool:
        """Whether a store could call the object complete with the bytes fed so far: the earliest such byte counts."""

    @property
    def container(self) -> bool | None:
        """Whether the object began as a container that is read into (an archive, a compressed stream); None while too
        little of it was seen to tell.
        """

    @property
    def pending(self) -> bool:
        """Whether bytes of a container wait for ``unpack``: only where the decoder was made to put that aside."""

    def unpack(self) -> list[Event]:
        """Read the next of them, at most 64 KiB of the object. Any thread may, one at a time, and not beside ``feed``.
        Views of what was fed must be valid until nothing is pending.
        """

    def stop(self) -> None:
        """Unpack nothing more: what would still come out is reported as ``too-large``."""
