"""The registry and where it comes from: a file that somebody puts there, or a copy of what a server gives out.

An order has to take effect on every agent that is online within 30 seconds: a source is asked every ten, what came is
looked at every two, and loading the largest registry takes some seconds more.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

from haechi.outbound.fetching.http import HttpSource, Terms, proxy_for
from haechi.outbound.fetching.mirror import Mirror
from haechi.outbound.registry.file import SIGNATURE_SUFFIX, FileRegistry
from haechi.outbound.registry.sources import MAX_JSON
from haechi.outbound.trust.store import MAX_SIGNATURE, Trust
from haechi.wiring.ground import Ground


@dataclass(frozen=True, slots=True)
class Registered:
    """The registry, started. ``mirror`` keeps its copy, where it is fetched."""

    registry: FileRegistry
    mirror: Mirror | None
    began: dt.datetime

    def unconfirmed(self, now: dt.datetime) -> float:
        """Seconds since the registry in force was known to be the newest; at least so long where it never was."""
        return max((now - (self.registry.confirmed_at or self.began)).total_seconds(), 0.0)


async def start_registry(ground: Ground, trust: Trust) -> Registered:
    """Raises ``HaechiError('fetch.url')`` for a source that may not be asked."""
    settings = ground.settings
    mirror = _mirror(ground)
    if mirror is not None and not settings.registry_path.is_file():
        await mirror.look()

    def confirmed() -> dt.datetime | None:
        return mirror.confirmed_at if mirror else ground.clock.now()

    kept = ground.paths.state / "registry"
    registry = await asyncio.to_thread(FileRegistry, settings.registry_path, trust, kept, confirmed)
    if mirror is not None:
        ground.background(mirror.run(), "registry-mirror")
    registered = Registered(registry, mirror, ground.clock.now())
    _measure(ground, registered)
    return registered


def _mirror(ground: Ground) -> Mirror | None:
    settings, fetch = ground.settings, ground.settings.fetch
    source = settings.registry.source
    if not source:
        return None
    proxy = proxy_for(source, settings.datapath.upstream_proxy, settings.datapath.no_proxy)
    file, token = settings.registry_path, settings.registry.token_file
    address, mark, asked = source.partition("?")
    sources = {
        file: HttpSource(source, Terms(MAX_JSON, fetch.timeout, fetch.roots, token, proxy)),
        file.with_name(file.name + SIGNATURE_SUFFIX): HttpSource(
            f"{address}{SIGNATURE_SUFFIX}{mark}{asked}", Terms(MAX_SIGNATURE, fetch.timeout, fetch.roots, token, proxy)
        ),
    }
    memory, interval = file.with_name("registry.json"), settings.registry.interval
    return Mirror("registry", sources, memory, source, interval, ground.clock, ground.metrics)


def _measure(ground: Ground, registered: Registered) -> None:
    """The registry in force as numbers; nothing where there is none."""

    def of(read: Callable[[int, dt.datetime], float]) -> Callable[[], float | None]:
        def value() -> float | None:
            data = registered.registry.data
            return read(data.sequence, data.issued_at) if data else None

        return value

    gauge, now = ground.metrics.gauge, ground.clock.now
    gauge("haechi_registry_sequence", of(lambda sequence, issued: sequence))
    gauge("haechi_registry_age_seconds", of(lambda sequence, issued: max((now() - issued).total_seconds(), 0.0)))
    gauge("haechi_registry_unconfirmed_seconds", lambda: registered.unconfirmed(now()))
