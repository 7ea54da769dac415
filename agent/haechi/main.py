"""The agent: every group of parts (``wiring/``) is made once, in order, and handed what it needs.

What others ask first (audit, index, registry, policy) is made here; the judge, the ways in and what keeps all of it to
what is signed follow in ``wiring.assembly``. Stopping is the reverse, so nothing asks a part that is gone. A part that
cannot start ends the agent with a named error: half an agent would look like protection.
"""

from __future__ import annotations

import asyncio
import gc
import signal
from contextlib import AsyncExitStack
from importlib import import_module
from typing import TYPE_CHECKING

import structlog

from haechi import __version__
from haechi.outbound.places import prepare_folders
from haechi.outbound.telemetry import logs
from haechi.outbound.telemetry.lines import Lines
from haechi.settings import Settings
from haechi.wiring.ground import Ground
from haechi.wiring.reads import Group, open_group, start_reads
from haechi.wiring.rules import start_rules
from haechi.wiring.stores import open_stores
from haechi.wiring.telemetry import start_telemetry

if TYPE_CHECKING:
    from haechi.inbound.envoy.datapath import DataPath

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
    # Other processes check, compile and load the policies; this one reads the rest of the program meanwhile, which is
    # most of it. An agent that was killed is back a second sooner.
    reading = asyncio.create_task(asyncio.to_thread(import_module, "haechi.wiring.assembly"))
    rules = await start_rules(ground, stores.audit)
    assembly = await reading
    data_path: DataPath = await assembly.assemble(ground, stores, rules, notices, reads)
    return data_path
