"""Permits: what lets single uploads go though rules speak against them, and how they are joined with the audit."""

from __future__ import annotations

import asyncio
import datetime as dt

import structlog

from haechi.app.permitting import KIND, Permits
from haechi.domain.audit import instant
from haechi.domain.errors import HaechiError
from haechi.domain.permit import Permit
from haechi.outbound.audit.reading import of_kinds
from haechi.outbound.ledger.permits import SqlitePermitLedger
from haechi.outbound.notify.desktop import DesktopNotices
from haechi.outbound.trust.exceptions import LONGEST, SignedPermits
from haechi.outbound.trust.machine import settled
from haechi.wiring.ground import Ground, decision_id
from haechi.wiring.rules import Rules
from haechi.wiring.stores import Stores
from haechi.words import say

AGAIN_S = 30.0
"""Until ledger or audit are asked anew, where they could not be read."""

log = structlog.get_logger(__name__)


def make_permits(ground: Ground, rules: Rules, stores: Stores, notices: DesktopNotices) -> Permits:
    """Nothing is let go by a permit until ledger and audit were joined, which goes on beside everything else."""
    ledger = SqlitePermitLedger(ground.paths.state / "permits.sqlite")
    ground.stack.callback(ledger.close)

    def loud(permit: Permit) -> None:
        until = permit.expires.astimezone().strftime("%H:%M")
        notices.show(say("notice.break-glass", ground.lang), say("permit.loud", ground.lang, id=permit.id, until=until))

    permits = Permits(
        ledger,
        SignedPermits(rules.trust, ground.clock, stores.log.key),
        stores.audit,
        ground.clock,
        ground.metrics,
        decision_id,
        loud,
        settled(ground.paths.keys / "machine.json", stores.log.key, ground.paths.keys / "checkpoint.pem"),
    )
    if permits.void is not None:
        log.error("permits-void", cause=permits.void.code)
    ground.background(_joined(ground, permits), "permits")
    return permits


async def _joined(ground: Ground, permits: Permits) -> None:
    """Join, and from then on forget what is over."""
    while True:
        try:
            if permits.ready:
                await asyncio.to_thread(permits.prune)
            else:
                await asyncio.to_thread(_join, ground, permits)
        except HaechiError as error:
            log.error("permits-not-ready", cause=error.code)  # noqa: TRY400 - its code says it; it is tried again
        await asyncio.sleep(AGAIN_S)


def _join(ground: Ground, permits: Permits) -> None:
    """What was spent by a permit that may still be in force stands in records of the longest that one can be."""
    earliest = instant(ground.clock.now() - max(LONGEST.values()) - dt.timedelta(days=1))
    records = of_kinds(ground.settings.audit_folder, (KIND,))
    permits.join(record.decoded() for record in records if record.time >= earliest)
