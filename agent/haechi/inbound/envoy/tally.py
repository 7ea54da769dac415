"""What passed through the data path, for status and metrics. Every drop has its counter."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Tally:
    """Counts since the agent started."""

    requests: int = 0
    inspected: int = 0
    held: int = 0
    refused: int = 0
    abandoned: int = 0
    failed: int = 0
    spool_full: int = 0
    bytes_inspected: int = 0
