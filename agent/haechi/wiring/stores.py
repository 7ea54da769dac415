"""What remembers: the audit, the index of tagged content, the ledgers of what went where."""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from haechi import __version__
from haechi.app.proving import RecentDecisions
from haechi.outbound.audit.limits import AuditSettings
from haechi.outbound.audit.log import SegmentedAuditLog
from haechi.outbound.index.sqlite import SqliteContentIndex
from haechi.outbound.ledger.assemblies import SqliteAssemblies
from haechi.outbound.ledger.drift import SqliteDriftLedger
from haechi.outbound.ledger.objects import SqliteObjectLedger
from haechi.outbound.ledger.sent import SqliteSentLedger
from haechi.outbound.trust.keys import SigningKey
from haechi.wiring.ground import Ground

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Stores:
    """``audit`` is where records go, and remembers the newest; ``log`` is the file behind it."""

    log: SegmentedAuditLog
    audit: RecentDecisions
    index: SqliteContentIndex
    assemblies: SqliteAssemblies
    ledger: SqliteObjectLedger
    sent: SqliteSentLedger
    drift: SqliteDriftLedger


def open_stores(ground: Ground) -> Stores:
    """Raises ``HaechiError`` for a store that cannot be opened; a damaged index is set aside and made anew."""
    settings, paths = ground.settings, ground.paths
    limits = AuditSettings(
        flush_seconds=settings.audit.flush_ms / 1000,
        segment_bytes=settings.audit.segment_size,
        checkpoint_seconds=settings.audit.checkpoint_interval,
    )
    audit = SegmentedAuditLog(
        settings.audit_folder,
        SigningKey.load_or_make(paths.keys / "checkpoint.pem"),
        ground.clock,
        limits,
        metrics=ground.metrics,
        about={"version": __version__, "layout": paths.layout.value},
    ).start()
    ground.stack.callback(audit.close)
    index, damaged = SqliteContentIndex.recover(paths.index)
    ground.stack.callback(index.close)
    if damaged is not None:
        log.error("the index was damaged and is made anew", kept=str(damaged))
    assemblies = SqliteAssemblies(paths.ledger, ground.clock)
    ground.stack.callback(assemblies.close)
    ledger = SqliteObjectLedger(paths.state / "objects.sqlite", ground.clock)
    ground.stack.callback(ledger.close)
    sent = SqliteSentLedger(paths.state / "sent.sqlite", ground.clock)
    ground.stack.callback(sent.close)
    drift = SqliteDriftLedger(paths.state / "drift.sqlite")
    ground.stack.callback(drift.close)
    return Stores(audit, RecentDecisions(audit), index, assemblies, ledger, sent, drift)
