"""How the audit writes, and what it counts. Values only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AuditSettings:
    """How the log writes. All are limits of this project's choosing; the law's retention period is not ours to set."""

    flush_seconds: float = 0.05
    """The longest that a record nobody waits for may be in memory of the machine alone."""
    linger_seconds: float = 0.01
    """How long such records gather before they are written."""
    durable_seconds: float = 5.0
    """How long a caller waits for a disk that does not answer before it is refused."""
    max_records: int = 50_000
    max_bytes: int = 64 * 1024 * 1024
    """What may wait in the queue."""
    segment_bytes: int = 64 * 1024 * 1024
    segment_seconds: float = 86_400.0
    checkpoint_records: int = 1000
    checkpoint_seconds: float = 60.0
    retry_seconds: float = 0.25
    """How often a disk that refused is asked again."""


@dataclass(slots=True)
class Counters:
    """What happened since the start. ``later`` counts verdicts that left before their record could be written; ``lost``
    stays 0 unless there was no room for those in memory, or the process ends while the disk still refuses.
    """

    durable: int = 0
    soon: int = 0
    later: int = 0
    own: int = 0
    commits: int = 0
    bytes: int = 0
    refused: int = 0
    failed: int = 0
    lost: int = 0
    outages: int = 0
    checkpoints: int = 0
    torn: int = 0
