"""What sealing needs of the outside: a cipher that streams."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Source(Protocol):
    """Bytes to read."""

    def read(self, size: int = -1, /) -> bytes:
        """At most ``size`` bytes; empty at the end. Raises ``OSError``."""


class Sink(Protocol):
    """Where bytes go."""

    def write(self, data: bytes, /) -> int:
        """Take all of ``data``. Raises ``OSError``."""

    def flush(self) -> None:
        """Hand on what is held."""


class Cipher(Protocol):
    """Encrypts a stream so that any one recipient can open it. Blocking: runs in a thread."""

    def check(self, recipients: Sequence[str]) -> None:
        """Raises ``HaechiError('seal.bad-recipient')`` for one that this cipher does not take."""

    def seal(self, source: Source, target: Sink, recipients: Sequence[str]) -> None:
        """Encrypt until the source ends, in constant memory. Errors of source and target may come wrapped."""
