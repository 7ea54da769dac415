"""The guard of one cloud's SDK: what a folder of ``haechi_connectors`` offers, as ``GUARD`` in its module ``guard``.

It lives in a person's own program, so it loads neither the agent nor an SDK that is not there: a client that exists has
its SDK loaded already.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from haechi.domain.upload import Request
from haechi.ports.judge import Reply


@dataclass(frozen=True, slots=True)
class FileRange:
    """A body that lies in an open regular file. ``chunked``: the SDK frames it (aws-chunked) as it sends."""

    descriptor: int
    offset: int
    length: int
    chunked: bool = False


Read = Callable[[int], bytes]
"""The next bytes of a body as it goes on the wire, at most so many; none at its end."""
Body = bytes | FileRange | Read


@dataclass(frozen=True, slots=True)
class Mending:
    """What makes an upload compliant: to be sealed, or to name the institution's ``key``."""

    seal: bool = False
    key: str = ""


class Asked(Protocol):
    """The agent, as a guard asks it. From any thread. Every method raises ``HaechiError`` where there is no answer."""

    def judge(self, request: Request, body: Body, proxy: str) -> Reply | None:
        """The refusal of a request, or None. ``proxy`` is the one that it takes, a URL; empty: none. A body that is
        read may be left in the middle, where the answer was known earlier.
        """

    def mending(self, request: Request, source: int, name: str) -> Mending:
        """What would make an upload of an open file compliant; nothing where it is, or where nothing would."""

    def seal(self, source: int, target: int, name: str) -> None:
        """Seal an open file into an open empty one."""


class Guard(Protocol):
    """One SDK's guard."""

    def knows(self, client: Any) -> bool:
        """Whether this is a client of its SDK. Loads nothing."""

    def put_on(self, client: Any, agent: Asked, *, comply: bool) -> None:
        """Let the agent judge what the client sends, from now on. Twice is as good as once: the last word counts.
        ``comply``: make compliant what would be refused, where that can be done, and say so.
        """
