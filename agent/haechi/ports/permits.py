"""What is remembered of permits: which are armed, and which were spent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from haechi.domain.bound import Cut
from haechi.domain.permit import Permit


@dataclass(frozen=True, slots=True)
class Armed:
    """A permit that was taken up. ``document`` is the signed text it came in, empty for a justification. ``cut`` is of
    the file that it names; without one, that file may go in one request only.
    """

    permit: Permit
    document: bytes = b""
    cut: Cut | None = None


class PermitLedger(Protocol):
    """Permits over restarts of the agent. Every method raises ``HaechiError('ledger.…')`` on failure."""

    def arm(self, armed: Armed) -> None:
        """Remember a permit, durably; one of the same id takes its place."""

    def armed(self) -> tuple[Armed, ...]:
        """All that are armed."""

    def disarm(self, permit_id: str) -> None:
        """Forget that it is armed."""

    def keep(self, cut: Cut) -> None:
        """Remember how a file is cut; of many, the oldest go."""

    def cut_of(self, digest: str) -> Cut | None:
        """How the file with this digest is cut, where that is remembered."""

    def spend(self, permit: Permit, use: str) -> bool:
        """Spend a permit on one use, durably. False where another use has it: then it is spent for this one."""

    def spent(self) -> Mapping[str, str]:
        """All that are remembered as spent: the use by the permit's id."""

    def recall(self, spent: Iterable[tuple[str, str]]) -> None:
        """Put back what the audit says was spent: ``(id, use)``."""


class PermitVerifier(Protocol):
    """Checks signed permits."""

    def verify(self, document: bytes) -> Permit:
        """The permit, if two different people signed it for this agent and it has not expired.

        Raises ``HaechiError``: ``trust.…``, ``permit.malformed``, ``permit.approvals``, ``permit.other-agent``,
        ``permit.expired``, ``permit.too-long``.
        """
