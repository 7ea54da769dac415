"""Observations that are written together: one transaction for many small files."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from haechi.domain.errors import HaechiError
from haechi.ports.protection import Observed, Protection

BATCH_FILES = 512
BATCH_PRINTS = 1 << 20


class Batch:
    """What waits to be written; what storage refuses is owed, and what it cannot hold is given to ``failed``."""

    def __init__(
        self,
        protection: Protection,
        owe: Callable[[Iterable[str]], None],
        failed: Callable[[Observed, Exception], None],
    ) -> None:
        self._protection = protection
        self._owe = owe
        self._failed = failed
        self._waiting: list[Observed] = []
        self._prints = 0

    def add(self, seen: Observed) -> None:
        """One more; written with the others once they are enough."""
        self._waiting.append(seen)
        self._prints += len(seen.body.prints)
        if len(self._waiting) >= BATCH_FILES or self._prints >= BATCH_PRINTS:
            self.flush()

    def flush(self) -> None:
        """Write them. Raises ``HaechiError('index.…')``."""
        if self._waiting:
            try:
                self._write(self._waiting)
            except HaechiError:
                self._owe(seen.path for seen in self._waiting)
                raise
        self._waiting, self._prints = [], 0

    def _write(self, seen: list[Observed]) -> None:
        """One that cannot be held must not take the others with it: each is tried alone then."""
        try:
            self._protection.observe(seen)
        except HaechiError:
            raise
        except Exception as error:
            if len(seen) == 1:
                self._failed(seen[0], error)
                return
            for one in seen:
                self._write([one])
