"""What each part says of itself for ``haechi status``. Reads, and changes nothing."""

from __future__ import annotations

import asyncio
import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from haechi import __version__
from haechi.app.permitting import Permits
from haechi.app.status import Part, ReportStatus
from haechi.domain.errors import HaechiError
from haechi.domain.permit import PermitKind
from haechi.outbound.engine.following import InForce
from haechi.outbound.reads import ReadWatch
from haechi.settings import Layout
from haechi.wiring.ground import Ground
from haechi.wiring.marking import Marking
from haechi.wiring.rules import Rules
from haechi.wiring.stores import Stores
from haechi.wiring.way_in import WayIn


def make_status(
    ground: Ground,
    rules: Rules,
    stores: Stores,
    marking: Marking,
    way_in: WayIn,
    permits: Permits,
    reads: ReadWatch,
    unlooked: Mapping[str, HaechiError],
) -> ReportStatus:
    """The use case over every part. ``unlooked`` is what cannot be looked at now (``Following.failed``)."""
    parts = _Parts(ground, rules, stores, marking, way_in, permits, reads, unlooked)
    return ReportStatus(parts.about, parts.named())


@dataclass(frozen=True, slots=True)
class _Parts:
    ground: Ground
    rules: Rules
    stores: Stores
    marking: Marking
    way_in: WayIn
    permits: Permits
    reads: ReadWatch
    unlooked: Mapping[str, HaechiError]
    """What cannot be looked at now, so that a change of it would not be seen."""

    def about(self) -> dict[str, Any]:
        """The agent as a whole."""
        mode = "enforced" if self.ground.paths.layout is Layout.SERVICE else "cooperative"
        return {"version": __version__, "mode": mode, "pid": os.getpid()}

    def named(self) -> dict[str, Part]:
        """Every part, in the order of the page."""
        return {
            "data_path": self.data_path,
            "authority": self.authority,
            "engine": self.engine,
            "index": self.index,
            "reads": self.read,
            "registry": self.registry,
            "trust": self.trust,
            "permits": self.permitted,
            "audit": self.audit,
            "log": self.log,
        }

    def data_path(self) -> dict[str, Any]:
        said, problem = self.way_in.data_path.describe(), self.unlooked.get("scope") or self.way_in.problem
        state = "failed" if not said["healthy"] else "degraded" if problem else "ok"
        networks = len(self.rules.engine.choices.networks)
        return {"state": state, **said, "networks": networks, **_named(problem)}

    def authority(self) -> dict[str, Any]:
        """A changed scope needs another root, which this machine has to be told about."""
        authority, problem = self.way_in.authority, None
        if self.ground.paths.layout is Layout.SERVICE and not self.way_in.told:
            problem = HaechiError("install.root-not-trusted")
        elif authority.uncovered:
            problem = HaechiError("datapath.names-uncovered", names=", ".join(authority.uncovered))
        return {
            "state": "degraded" if problem else "ok",
            "not_after": authority.not_after.isoformat(),
            **_named(problem),
        }

    def engine(self) -> dict[str, Any]:
        engine, policies, mirror = self.rules.engine, self.rules.policies, self.rules.mirror
        away = mirror.problem if mirror else None
        problem = self.unlooked.get("policy") or policies.problem or policies.void or policies.not_kept
        problem = problem or engine.problem or away
        return {
            "state": "failed" if not engine.ready else "degraded" if problem else "ok",
            **_named(problem),
            "void": policies.void is not None,
            "in_force": "earlier" if policies.state is InForce.CHOSEN and policies.problem else policies.state.value,
            "revision": engine.revision,
            "issue": self._issue(),
            "rules": len(engine.rules),
            "interpreted": engine.interpreted,
            "engine": dict(engine.describe()),
            "mode": engine.modes.default.value,
            "fail": engine.modes.fail.value,
        }

    def _issue(self) -> dict[str, Any]:
        """Which issue of the policies is in force, how old it is, and when its source was last reached."""
        mirror, issue = self.rules.mirror, self.rules.engine.in_force.issue
        confirmed = mirror.confirmed_at if mirror else None
        return {
            **self.rules.policies.facts(self.ground.clock.now()),
            "issued_at": issue.issued_at.isoformat() if issue else None,
            "source": self.ground.settings.policy.source or None,
            "confirmed_at": confirmed.isoformat() if confirmed else None,
        }

    async def index(self) -> dict[str, Any]:
        """It asks the disk, so not on the loop that judges."""
        return await asyncio.to_thread(self._index)

    def _index(self) -> dict[str, Any]:
        index, watcher = self.stores.index, self.marking.watcher
        unreadable, problem = index.unreadable(), index.problem
        watched = watcher.status() if watcher is not None else {}
        misunderstood = watcher.misunderstood.all() if watcher is not None else ()
        state = "ok"
        if problem is not None:
            state = "failed"
        elif not index.whole:
            state = "starting"
        elif not index.ready:
            state = "busy"
        elif unreadable or watched.get("unwatched") or watched.get("blind") or misunderstood:
            state = "degraded"
        return {
            "state": state,
            "cause": problem.code if problem else None,
            "files": index.count(),
            "unreadable": len(unreadable),
            "misunderstood": len(misunderstood),
            "revision": index.revision,
            "scanning": self.marking.scanning,
            **watched,
        }

    def read(self) -> dict[str, Any]:
        """Who opens tagged files: a machine where nobody sees that refuses more, and lets nothing go."""
        said = self.reads.status()
        state = "ok"
        if said["sees"] != "nothing" and not said["since"]:
            state = "starting"
        elif said["sees"] == "nothing" or said["unwatched"] or self.reads.problem:
            state = "degraded"
        return {"state": state, "problem": self.reads.problem or None, "about": {"cause": self.reads.why}, **said}

    def registry(self) -> dict[str, Any]:
        rules, now = self.rules, self.ground.clock.now()
        data, mirror = rules.registry.data, rules.registered.mirror
        away = mirror.problem if mirror else None
        problem = self.unlooked.get("registry") or rules.registry.problem or away
        signer, confirmed = rules.registry.signer, rules.registry.confirmed_at
        return {
            "state": "ok" if data and problem is None else "degraded",
            "sequence": data.sequence if data else None,
            "issued_at": data.issued_at.isoformat() if data else None,
            "age_seconds": round(max((now - data.issued_at).total_seconds(), 0.0)) if data else None,
            "signer": (signer.name or signer.key) if signer else None,
            "revision": rules.registry.revision,
            "source": self.ground.settings.registry.source or str(self.ground.settings.registry_path),
            "confirmed_at": confirmed.isoformat() if confirmed else None,
            "unconfirmed_seconds": round(rules.registered.unconfirmed(now)),
            **_named(problem),
        }

    def trust(self) -> dict[str, Any]:
        trust = self.rules.trust
        problem = self.unlooked.get("trust") or trust.problem
        state = "degraded" if problem else "ok"
        return {"state": state, "keys": trust.keys, "revision": trust.revision, **_named(problem)}

    def permitted(self) -> dict[str, Any]:
        """An open glass is nothing to forget, and a ledger that knew less than the audit nothing to overlook."""
        armed = self.permits.armed()
        opened = sum(one.kind is PermitKind.BREAK_GLASS for one in armed)
        degraded = opened or self.permits.behind or self.permits.void
        state = "starting" if not self.permits.ready else "degraded" if degraded else "ok"
        return {
            "state": state,
            "armed": len(armed),
            "open": opened,
            "behind": self.permits.behind,
            **_named(self.permits.void),
        }

    def audit(self) -> dict[str, Any]:
        problem, counters = self.stores.log.health, dataclasses.asdict(self.stores.log.counters)
        state, waiting = "failed" if problem else "ok", self.stores.log.waiting
        return {"state": state, "problem": problem.code if problem else None, "waiting": waiting, **counters}

    def log(self) -> dict[str, Any]:
        """A log that cannot be written hinders nothing; who looks into it must know that lines are missing."""
        lines = self.ground.log_lines
        problem = lines.problem
        return {"state": "degraded" if problem else "ok", "lost": lines.lost, **_named(problem)}


def _named(problem: HaechiError | None) -> dict[str, Any]:
    """A problem by its code, and what its words need."""
    return {"problem": problem.code if problem else None, "about": dict(problem.params) if problem else {}}
