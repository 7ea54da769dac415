"""The agent: every group of parts (``wiring/``) is made here, once, in order, and handed what it needs.

What others ask first (audit, index, registry, policy) comes first, then the judge, then the ways in, and last what
keeps all of it to what is signed. Stopping is the reverse, so nothing asks a part that is gone. A part that cannot
start ends the agent with a named error: half an agent would look like protection.
"""

from __future__ import annotations

import asyncio
import gc
import signal
from contextlib import AsyncExitStack

import structlog

from haechi import __version__
from haechi.inbound.envoy.datapath import DataPath
from haechi.outbound.places import prepare_folders
from haechi.outbound.telemetry import logs
from haechi.outbound.telemetry.lines import Lines
from haechi.settings import Settings
from haechi.wiring.control import start_control
from haechi.wiring.following import Following
from haechi.wiring.ground import Ground
from haechi.wiring.judge import make_judge
from haechi.wiring.marking import make_marking
from haechi.wiring.permits import make_permits
from haechi.wiring.reads import Group, open_group, start_reads
from haechi.wiring.rules import start_rules
from haechi.wiring.status import make_status
from haechi.wiring.stores import open_stores
from haechi.wiring.telemetry import start_telemetry
from haechi.wiring.way_in import WayIn, start_way_in

log = structlog.get_logger(__name__)


async def run_agent(settings: Settings) -> int:
    """Run until told to stop (SIGTERM, SIGINT). Raises ``HaechiError`` where a part cannot start."""
    group = open_group(settings)  # before any thread: see haechi.outbound.reads.rights
    lines = logs.configure(settings.telemetry.log_level, settings.telemetry.log)
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    async with AsyncExitStack() as stack:
        data_path = await start_agent(settings, stack, lines, group)
        gc.collect()
        gc.freeze()  # what lives as long as the agent need not be gone through again in the middle of an upload
        log.info("agent ready", version=__version__, layout=settings.paths.layout.value, proxy=data_path.proxy_port)
        await stopping.wait()
        log.info("agent stopping")
    return 0


async def start_agent(settings: Settings, stack: AsyncExitStack, lines: Lines, group: Group) -> DataPath:
    """Make and start every part; ``stack`` takes them down. Raises ``HaechiError``."""
    prepare_folders(settings.paths)
    ground = Ground(settings, stack, lines)
    notices = start_telemetry(ground)
    stores = open_stores(ground)
    reads = start_reads(ground, stores, group)
    rules = await start_rules(ground, stores.audit)
    marking = make_marking(ground, rules, stores)
    started: list[WayIn] = []
    permits = make_permits(ground, rules, stores, notices)
    judging = make_judge(
        ground, rules, stores, notices, permits, reads, lambda: [("127.0.0.1", started[0].data_path.proxy_port)]
    )
    way_in = await start_way_in(ground, rules, judging)
    started.append(way_in)
    following = Following(ground, rules, stores, marking, judging, way_in)
    status = make_status(ground, rules, stores, marking, way_in, permits, reads, following.failed)
    control = await start_control(ground, rules, stores, marking, judging, way_in, permits, status)
    marking.start_watching()
    marking.start_learning()
    ground.background(following.run(), "following")
    # Whoever ends is asked nothing any more, and is no agent that "runs already", however long the rest takes.
    stack.push_async_callback(control.stop)
    return way_in.data_path
