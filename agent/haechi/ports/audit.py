"""The record of decisions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from haechi.domain.facts import JSON


class AuditLog(Protocol):
    """Appends events to a hash-chained, durable log."""

    async def durable(self, event: Mapping[str, JSON]) -> None:
        """Append, and return once it cannot be lost (group commit).

        Raises ``HaechiError('audit.…')`` when it can not be made durable.
        """

    def soon(self, event: Mapping[str, JSON]) -> None:
        """Append without waiting: for allowed uploads of untagged content. Raises when the log is full or broken."""

    def later(self, event: Mapping[str, JSON]) -> bool:
        """Append although the log cannot be written now: what the event tells of has happened. Never raises.

        False where it can not even be kept in memory: then the log counts it, and tells of the number when it can.
        """
