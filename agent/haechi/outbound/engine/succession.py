"""Remembers over restarts which issue was taken last, so that an older one is refused though it is signed.

The memory counts as long as the key counts that signed the issue: whoever stole a key and signed the highest number
there is must not keep the institution from its own policies. Its own place is the agent's; whoever cannot write there
cannot make it forget. Must not know: engines, where policies lie.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from haechi.domain.errors import HaechiError
from haechi.domain.issue import Accepted, succeed
from haechi.durable import replace_file
from haechi.outbound.engine.folder import PolicyFolder
from haechi.outbound.trust.store import Role, Trust

LIMIT = 512 << 10
_NOBODYS = ("trust.key-revoked", "trust.key-unknown", "trust.key-role")
"""Why a key counts no longer. One whose time is over signed what was right in its time."""


class _Memory(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    sequence: int
    highest: int
    revision: str
    token: str


class Succession:
    """``file`` is the agent's own."""

    def __init__(self, file: Path, trust: Trust) -> None:
        self._file, self._trust = file, trust

    def admit(self, policies: PolicyFolder) -> Accepted | None:
        """What to remember once these are in force. Raises ``HaechiError('policy.sequence-…')`` where they may not
        follow what was taken last, or nobody can tell.
        """
        return succeed(self._accepted(), policies.issue, policies.revision)

    def remember(self, accepted: Accepted | None, policies: PolicyFolder) -> None:
        """Durable when it returns. Raises ``HaechiError('policy.sequence-unwritable')``."""
        if accepted is None:
            return
        memory = _Memory(accepted.sequence, accepted.highest, accepted.revision, policies.token.decode("ascii"))
        try:
            self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            replace_file(self._file, msgspec.json.encode(memory))
        except OSError as error:
            raise HaechiError("policy.sequence-unwritable", file=str(self._file), why=error.strerror or "") from error

    def _accepted(self) -> Accepted | None:
        try:
            with self._file.open("rb") as held:
                memory = msgspec.json.decode(held.read(LIMIT), type=_Memory)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, msgspec.DecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            raise HaechiError("policy.sequence-unreadable", file=str(self._file), why=why or "") from error
        try:
            self._trust.open(Role.POLICY, memory.token)
        except HaechiError as error:
            if error.code in _NOBODYS:
                return None
        return Accepted(memory.sequence, memory.highest, memory.revision)
