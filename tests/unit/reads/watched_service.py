"""An agent, as far as it watches who reads, with the rights that the service has. A stand-in for a manager starts it."""

from __future__ import annotations

import datetime as dt
import json
import os
import sys
from pathlib import Path

import structlog
from haechi.domain.actor import Actor
from haechi.outbound.clock import SystemClock
from haechi.outbound.ledger.reads import SqliteReads
from haechi.outbound.reads import ReadWatch
from haechi.outbound.reads.fanotify import Fanotify
from haechi.outbound.reads.handover import Handover
from haechi.outbound.reads.rights import give_up_admin
from haechi.outbound.system.descriptors import descriptor_store, handed_over
from haechi.ports.protection import Stamp, TaggedFile

WINDOW = dt.timedelta(minutes=30)


def serve(folder: str) -> None:
    """Watch every file of ``folder/tagged``; answer a line of JSON each on the standard input until it ends."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    handover = Handover(descriptor_store(os.environ), handed_over(os.environ))
    tagged = Path(folder) / "tagged"

    def known() -> list[TaggedFile]:
        found = []
        for path in sorted(tagged.iterdir()):
            status = path.stat()
            found.append(TaggedFile(str(path), Stamp(status.st_dev, status.st_ino, status.st_size, 0, 0), ()))
        return found

    def named(device: int, inode: int) -> list[TaggedFile]:
        return by_identity.get((device, inode), [])

    def mark(path: str) -> None:
        by_identity.update({(file.stamp.device, file.stamp.inode): [file] for file in known()})
        watch._marks.mark(path)

    by_identity = {(file.stamp.device, file.stamp.inode): [file] for file in known()}
    group = Fanotify()
    give_up_admin()
    ledger = SqliteReads(Path(folder) / "reads.sqlite")
    watch = ReadWatch(group, ledger, SystemClock(), known, named, handover=handover)
    watch.start()
    for line in sys.stdin:
        match json.loads(line):
            case ["wait"]:
                answer: object = watch.wait_ready(60)
            case ["facts", int(uid)]:
                answer = watch.facts(Actor("somebody", uid), WINDOW).as_json()
            case ["mark", str(path)]:
                answer = mark(path)
            case ["open", str(path)]:
                answer = len(Path(path).read_bytes())
            case _:
                answer = watch.status()
        print(json.dumps(answer), flush=True)
    watch.stop()
