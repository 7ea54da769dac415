"""What a person begins under another account is still the person's, also where nobody knows who logged in."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.root
PERSON, SERVICE = 65533, 65532
CHAIN = f"""
import json, os, sys
sys.path[:0] = json.loads(sys.argv[1])
from haechi.outbound.reads.processes import line_of
read, write = os.pipe()
waits, ends = os.pipe()
if os.fork() == 0:
    os.close(ends)
    os.setresuid({PERSON}, {PERSON}, 0)
    if os.fork() == 0:  # as sudo does: the person's no more
        os.setresuid(0, 0, 0)
        os.setresuid({SERVICE}, {SERVICE}, {SERVICE})
        os.write(write, b".")
        os.read(waits, 1)  # until who asks has ended
        os._exit(0)
    os.wait()
    os._exit(0)
os.read(read, 1)
children = lambda pid: open(f"/proc/{{pid}}/task/{{pid}}/children").read().split()
(person,) = children(os.getpid())
(service,) = children(person)
print(json.dumps(sorted(line_of(int(service)).users)), flush=True)
"""


def test_who_began_it_is_counted_beside_whom_it_runs_as() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CHAIN, json.dumps(sys.path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    users = json.loads(done.stdout)
    assert {PERSON, SERVICE} <= set(users)
