"""Counters and durations that operations watch. Never content, never a name that a person chose."""

from __future__ import annotations

from typing import Protocol


class Metrics(Protocol):
    """Where numbers go. Names are documented in ``docs/metrics.md``; a test fails when one is not."""

    def count(self, name: str, /, amount: int = 1, **labels: str) -> None:
        """Add to a counter."""

    def observe(self, name: str, seconds: float, /, **labels: str) -> None:
        """Note a duration."""
