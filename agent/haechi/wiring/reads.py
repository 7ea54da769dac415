"""Who reads tagged files: the kernel's group is made first of all, the watch once the index is there."""

from __future__ import annotations

import asyncio
import os

import structlog

from haechi.outbound.ledger.reads import SqliteReads
from haechi.outbound.reads import ReadWatch
from haechi.outbound.reads.fanotify import Fanotify
from haechi.outbound.reads.rights import give_up_admin
from haechi.settings import Layout, Settings
from haechi.wiring.ground import Ground
from haechi.wiring.stores import Stores

log = structlog.get_logger(__name__)

Group = Fanotify | OSError
"""What the kernel gave, or why it gave nothing."""


def open_group(settings: Settings) -> Group:
    """Make the group with what rights there are, and give up the one that it needed, also where there is none. Before
    any thread is started.

    Raises ``OSError`` where a right that is no longer needed cannot be given up.
    """
    group: Group
    try:
        group = Fanotify()
    except OSError as error:
        group = error
    if settings.paths.layout is Layout.SERVICE and os.geteuid() != 0:
        give_up_admin()
    return group


def start_reads(ground: Ground, stores: Stores, group: Group) -> ReadWatch:
    """Watch from here on. What cannot be watched is unknown to the policy, and never ends the agent."""
    index = stores.index
    watch = ReadWatch(
        None if isinstance(group, OSError) else group,
        SqliteReads(ground.paths.state / "reads.sqlite"),
        ground.clock,
        index.files,
        index.files_of,
        why=(group.strerror or str(group)) if isinstance(group, OSError) else "",
        released=lambda path: index.ready and index.file(path) is None,
    )
    index.observed = watch.observed
    ground.metrics.total("haechi_reads_seen_total", lambda: watch.seen)
    ground.metrics.total("haechi_reads_unattributed_total", lambda: watch.gone)
    ground.metrics.total("haechi_reads_overflows_total", lambda: watch.overflows)
    watch.start()
    ground.stack.push_async_callback(asyncio.to_thread, watch.stop)
    return watch
