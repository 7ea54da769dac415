"""How a group passes from one agent to the next: the service manager holds it while neither runs.

Theory. The kernel queues events for a group as long as anybody holds it, so that one which outlives its agent leaves no
gap. The next agent makes a group of its own all the same, marks every file in it, and empties both until its own
stands; only then the earlier is let go. So no file is without a mark at any time, marks of files that were released end
with their group, and an agent of a later version may want other events. Only a group that names processes is handed
over: in any other an agent cannot tell the openings of the one before it from somebody else's.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence

import structlog

from haechi.outbound.ledger.reads import Held
from haechi.outbound.reads.fanotify import Fanotify
from haechi.outbound.reads.processes import forks, unrepeated
from haechi.outbound.system.descriptors import DescriptorStore

PREFIX = "haechi-reads-"
log = structlog.get_logger(__name__)


class Handover:
    """``store`` is None where no service manager holds anything; ``handed`` are names and descriptors that it gave."""

    def __init__(self, store: DescriptorStore | None = None, handed: Sequence[tuple[str, int]] = ()) -> None:
        self._store = store
        self._handed = {name: number for name, number in handed if name.startswith(PREFIX)}
        self._name = ""
        self.held: Held | None = None
        """What the next agent has to know of the group that is held now; None where none is."""

    def take(self, held: Held | None) -> Fanotify | None:
        """The group that the earlier agent kept account of, where it was handed over; all others are let go."""
        group = None
        for name, number in self._handed.items():
            if group is None and held is not None and name == held.name:
                try:
                    group = Fanotify(number)
                    continue
                except OSError as error:
                    log.warning("reads.not-handed-over", cause=repr(error))
            os.close(number)
            self._drop(name)
        self._handed = {}
        return group

    def give(self, group: Fanotify) -> None:
        """Have the group held from now on."""
        if self._store is None or not group.privileged:
            return
        name = PREFIX + secrets.token_hex(8)
        try:
            self._store.put(name, group.descriptor)
            self._name = name
            self.count()
        except OSError as error:
            log.warning("reads.not-held", cause=repr(error))

    def let_go(self, held: Held, group: Fanotify) -> None:
        """End an earlier group."""
        group.close()
        self._drop(held.name)

    def count(self) -> None:
        """Take note of how many processes there were: the sooner before a handover, the longer that may take."""
        try:
            self.held = Held(self._name, os.getpid(), forks()) if self._name else None
        except OSError:
            self.held = None

    def _drop(self, name: str) -> None:
        if self._store is not None:
            try:
                self._store.drop(name)
            except OSError as error:
                log.warning("reads.not-let-go", cause=repr(error))


def trusted(held: Held) -> bool:
    """Whether the numbers of processes that its events name are still those of the processes that were meant."""
    return unrepeated(held.forks)
