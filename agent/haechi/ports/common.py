"""Content that is everywhere, from places that no person of the machine can write."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from haechi.ports.protection import Fingerprints


class CommonContent(Protocol):
    """What came with the machine's own packages."""

    def mark(self) -> str:
        """Equal for equal content; empty where there is none. Looks at names and times, reads nothing."""

    def bodies(self) -> Iterator[Fingerprints]:
        """Each file's body. What cannot be read is left out: less is excluded then."""
