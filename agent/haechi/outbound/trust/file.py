"""The trust list as it lies on the disk: a change takes effect while the agent runs.

A list that cannot be read (half written, malformed, writable by others, gone) changes nothing: it says neither whom to
trust nor whom no longer. The one in force stays, and ``problem`` says so. What was signed by a key that the new list
revokes or leaves out is void with the next question; whoever keeps something signed asks again after ``refresh``.
"""

from __future__ import annotations

from pathlib import Path

import structlog

from haechi.domain.errors import HaechiError
from haechi.outbound.trust.stamp import Stamp, stamp_of
from haechi.outbound.trust.store import Signer, TrustStore
from haechi.ports.clock import Clock

_log = structlog.get_logger(__name__)


class TrustFile:
    """Implements ``haechi.outbound.trust.store.Trust``. ``refresh`` may run in another thread than the questions."""

    def __init__(self, path: Path, clock: Clock) -> None:
        """Raises as ``TrustStore.load``: no agent starts without a list."""
        self._path = path
        self._clock = clock
        self._stamp: Stamp = stamp_of([path])
        self._store = TrustStore.load(path, clock)
        self.problem: HaechiError | None = None
        """Why the file is not the list in force; None while it is."""

    @property
    def revision(self) -> str:
        """Digest of the list in force."""
        return self._store.revision

    @property
    def keys(self) -> int:
        """How many keys it lists, also those that are not in force."""
        return len(self._store.keys)

    def refresh(self) -> bool:
        """Take up a changed file. True when another list is in force now. Reads a file: call it off the event loop."""
        stamp = stamp_of([self._path])
        if stamp == self._stamp and stamp:
            return False
        self._stamp = stamp
        try:
            fresh = TrustStore.load(self._path, self._clock)
        except HaechiError as error:
            if self.problem is None or self.problem.code != error.code:
                _log.error("trust-list-refused", cause=error.code)
            self.problem = error
            return False
        changed = fresh.revision != self._store.revision
        self._store, self.problem = fresh, None
        return changed

    def verify(self, role: str, payload: bytes, signature: bytes | str) -> Signer:
        """See ``TrustStore``."""
        return self._store.verify(role, payload, signature)

    def holds(self, signer: Signer) -> None:
        """See ``TrustStore``."""
        self._store.holds(signer)

    def open(self, role: str, token: bytes | str) -> tuple[bytes, Signer]:
        """See ``TrustStore``."""
        return self._store.open(role, token)
