"""Cooperative, as an ordinary user: the kernel names no process, and the agent's own openings are still told apart."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.root
NOBODY = 65534
WATCH = """
import datetime as dt, json, os, subprocess, sys
sys.path[:0] = json.loads(sys.argv[2])
from pathlib import Path
from haechi.domain.actor import Actor
from haechi.outbound.clock import SystemClock
from haechi.outbound.ledger.reads import SqliteReads
from haechi.outbound.reads import ReadWatch
from haechi.outbound.reads.fanotify import Fanotify
from haechi.ports.protection import Stamp, TaggedFile
import concurrent.futures, encodings.ascii, encodings.idna
folder = Path(sys.argv[1])
os.setgroups([]); os.setgid(65534); os.setuid(65534)
path = folder / "lot.csv"
path.write_text("recipe")
status = path.stat()
file = TaggedFile(str(path), Stamp(status.st_dev, status.st_ino, 6, 0, 0), ())
ledger = SqliteReads(folder / "reads.sqlite")
watch = ReadWatch(Fanotify(), ledger, SystemClock(), lambda: [], lambda device, inode: [file])
watch.start()
watch.wait_ready(20)
watch._marks.mark(str(path))
me, other = Actor("nobody", 65534, os.getpid()), Actor("daemon", 1)
window, told = dt.timedelta(minutes=30), {"sees": watch.status()["sees"]}
path.read_text()
told["own"] = watch.facts(me, window).as_json()
subprocess.run(["cat", str(path)], check=True, stdout=subprocess.DEVNULL)
told["read"] = watch.facts(me, window).as_json()
told["other"] = watch.facts(other, window).as_json()
watch.stop()
print(json.dumps(told))
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where nobody may write; pytest's own folders are closed to other users."""
    with tempfile.TemporaryDirectory(prefix="haechi-reads-") as made:
        os.chown(made, NOBODY, NOBODY)
        os.chmod(made, 0o755)  # else nobody but its owner could have read what lies in it
        yield Path(made)


def test_whatever_is_opened_counts_as_the_users_own(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WATCH, folder, json.dumps(sys.path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["sees"] == "user"
    assert (told["own"]["process"], told["own"]["user"]) == (False, False)
    assert told["read"]["user"] is True
    assert told["read"]["latest"]["pid"] == {"unknown": "reader-gone"}
    assert told["other"]["user"] == {"unknown": "reader-gone"}, "who it was, nobody said"
