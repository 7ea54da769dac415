"""Who reads tagged files: the kernel's group is made first of all, the watch once the index is there."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass

import structlog

from haechi.outbound.ledger.reads import SqliteReads
from haechi.outbound.reads import ReadWatch
from haechi.outbound.reads.fanotify import Fanotify
from haechi.outbound.reads.handover import Handover
from haechi.outbound.reads.rights import give_up_admin
from haechi.outbound.system.descriptors import descriptor_store, handed_over
from haechi.settings import Layout, Settings
from haechi.wiring.ground import Ground
from haechi.wiring.stores import Stores

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Group:
    """What the kernel gave, or why it gave nothing; and what passes from one agent to the next."""

    made: Fanotify | OSError
    handover: Handover


def open_group(settings: Settings) -> Group:
    """Make the group with what rights there are, and give up the one that it needed, also where there is none. Before
    any thread is started, and before any file is opened whose number the service manager may have given to another.

    Raises ``OSError`` where a right that is no longer needed cannot be given up.
    """
    handover = Handover(descriptor_store(os.environ), handed_over(os.environ))
    made: Fanotify | OSError
    try:
        made = Fanotify()
    except OSError as error:
        made = error
    if settings.paths.layout is Layout.SERVICE and os.geteuid() != 0:
        give_up_admin()
    return Group(made, handover)


def start_reads(ground: Ground, stores: Stores, group: Group) -> ReadWatch:
    """Watch from here on. What cannot be watched is unknown to the policy, and never ends the agent."""
    index, made = stores.index, group.made
    watch = ReadWatch(
        None if isinstance(made, OSError) else made,
        SqliteReads(ground.paths.state / "reads.sqlite"),
        ground.clock,
        index.files,
        index.files_of,
        why=(made.strerror or str(made)) if isinstance(made, OSError) else "",
        released=lambda path: index.ready and index.file(path) is None,
        handover=group.handover,
    )
    index.observed = watch.observed
    ground.metrics.total("haechi_reads_seen_total", lambda: watch.seen)
    ground.metrics.total("haechi_reads_unattributed_total", lambda: watch.gone)
    ground.metrics.total("haechi_reads_overflows_total", lambda: watch.overflows)
    watch.start()
    ground.stack.push_async_callback(asyncio.to_thread, watch.stop)
    return watch
