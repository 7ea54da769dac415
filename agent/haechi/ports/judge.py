"""How a data path asks for judgement: once per request for the head, then once per piece of the body.

Theory. A data path must hold every piece until it is answered. ``head`` says whether the body needs
to be seen at all. While pieces come, each is released or the request is refused; the judge itself holds back
the answer to the piece that would complete the object until the decision is made and recorded.

======================  ==========================================================
answer to ``head``      what the data path does
======================  ==========================================================
``Forward``             pass head and body on, unseen
``Inspect(PIECES)``     pass the head on; offer each piece, pass it on when released
``Inspect(WHOLE)``      keep head and body back (spooled, bounded) until the last piece is released
``Refuse``              answer the client with the reply; nothing goes upstream
======================  ==========================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from haechi.domain.upload import Request

FRAMING: Final = frozenset({"content-length", "transfer-encoding", "connection"})
"""Headers that say how an answer lies on the wire."""


@dataclass(frozen=True, slots=True)
class Connection:
    """What is known of the client's connection. Ports are the client's own.

    ``connect`` is the CONNECT target (``host:port``), empty where there was none; ``sni`` the TLS server name,
    empty where there was none. ``way``: ``proxy`` (CONNECT or absolute-form), ``redirect`` (nftables), ``sidecar``,
    ``guard`` (asked by a program's own SDK, without a connection).
    ``original`` is the address that a redirected connection was going to.
    """

    address: str
    port: int
    connect: str = ""
    sni: str = ""
    way: str = "proxy"
    original: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """A complete HTTP answer for the client, in the provider's own error shape.

    How it is framed on the wire is the data path's: ``ValueError`` for a header that says so.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def __post_init__(self) -> None:
        for name, _ in self.headers:
            if name.lower() in FRAMING:
                raise ValueError(f"{name} is the data path's to say")


class Hold(StrEnum):
    """What is held back while a body is inspected."""

    PIECES = "pieces"
    WHOLE = "whole"


@dataclass(frozen=True, slots=True)
class Forward:
    """Let it pass."""


@dataclass(frozen=True, slots=True)
class Inspect:
    """Offer the body piece by piece."""

    hold: Hold = Hold.PIECES


@dataclass(frozen=True, slots=True)
class Refuse:
    """Answer the client with this; the decision behind it is already durable."""

    reply: Reply


class Judging(Protocol):
    """The judgement of one request."""

    async def head(self) -> Forward | Inspect | Refuse:
        """Judge the head. Asked once, first."""

    async def piece(self, data: bytes | memoryview, last: bool) -> Forward | Refuse:
        """Judge the next bytes of the body as they lie on the wire; ``last`` with the final (perhaps empty) piece.
        ``Forward`` releases this piece. After ``Refuse`` nothing more is asked.
        """

    async def overflow(self) -> Refuse:
        """The spool for a body held whole is full: the reply, recorded."""

    @property
    def heeds(self) -> bool:
        """Whether the store's answer matters to what is judged later. May be asked at any time, and says the same."""

    async def answered(self, status: int) -> None:
        """The store's status (HTTP), before the client gets it. Called where the judge heeds it, all was released, and
        an answer came. Never raises ``HaechiError``.
        """

    async def abandoned(self, cause: str) -> None:
        """The client or the data path broke off before the last piece (``client-closed``, ``stream-reset``), or the
        judge was late or failed (``judge-late``, ``judge-failed``) and the data path refused.
        """


class Judge(Protocol):
    """Opens judgements. One use case for every data path."""

    def open(self, connection: Connection, request: Request) -> Judging:
        """Begin to judge a request."""
