"""The watch over containers that hold tagged content: same registry, policies and credentials as the judge's."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from haechi.app.drifting import WatchDrift
from haechi.domain.drift import Drift
from haechi.domain.errors import HaechiError
from haechi.outbound.audit.reading import of_kinds
from haechi.outbound.notify.desktop import DesktopNotices
from haechi.wiring.ground import Ground, decision_id
from haechi.wiring.judge import Judging
from haechi.wiring.rules import Rules
from haechi.wiring.stores import Stores
from haechi.wiring.surveying import assessors, designated
from haechi.words import say


def start_drift(ground: Ground, rules: Rules, stores: Stores, judging: Judging, notices: DesktopNotices) -> WatchDrift:
    """Make it, let the metrics see it, and look as often as the settings say."""

    def notify(drift: Drift, objects: int) -> None:
        what = say(f"drift.kind-{drift.kind}", ground.lang)
        told = say("notice.drift-text", ground.lang, container=drift.container, what=what, count=objects, id=drift.id)
        notices.show(say("notice.drift", ground.lang), told)

    wanted = ground.settings.drift
    watch = WatchDrift(
        stores.ledger,
        stores.drift,
        assessors(ground, rules, stores, judging),
        rules.engine,
        stores.audit,
        ground.clock,
        decision_id,
        ground.metrics,
        lambda: designated(rules.registry, ground.clock),
        judging.destinations.forget,
        notify,
        wanted.at_once,
        wanted.confirm,
    )

    def open_now() -> dict[str, float] | None:
        with contextlib.suppress(HaechiError):
            return {kind: float(count) for kind, count in stores.drift.counts().items()}
        return None

    ground.metrics.gauges("haechi_drift_open", open_now)
    ground.metrics.gauge("haechi_drift_age_seconds", lambda: watch.age)
    if wanted.interval:
        ground.background(watch.run(wanted.interval), "drift")
    return watch


def sealed_copies(ground: Ground, digest: str, most: int) -> tuple[str, ...]:
    """Digests of the ciphertexts that were made of a content on this machine, by the audit; the newest."""
    return tuple(_made_of(ground, digest))[-most:]


def _made_of(ground: Ground, digest: str) -> Iterator[str]:
    for record in of_kinds(ground.settings.audit_folder, ("sealed",)):
        event = record.decoded()
        if event.get("plain") == digest and isinstance(made := event.get("sealed"), str):
            yield made
