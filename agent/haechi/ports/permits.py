"""What is remembered of permits: which are armed, and which were spent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from haechi.domain.permit import Permit


@dataclass(frozen=True, slots=True)
class Armed:
    """A permit that was taken up. ``document`` is the signed text it came in, empty for a justification."""

    permit: Permit
    document: bytes = b""


class PermitLedger(Protocol):
    """Permits over restarts of the agent. Every method raises ``HaechiError('ledger.…')`` on failure."""

    def arm(self, armed: Armed) -> None:
        """Remember a permit, durably; one of the same id takes its place."""

    def armed(self) -> tuple[Armed, ...]:
        """All that are armed."""

    def disarm(self, permit_id: str) -> None:
        """Forget that it is armed."""

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
