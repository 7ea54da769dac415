"""What a person would call a process that an interpreter runs. The process says it: it is bounded, and no fact."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from haechi.domain.actor import Actor
from haechi.outbound.actors.scripts import Scripts, script_in

PYTHON = "/usr/bin/python3.11"


@pytest.mark.parametrize(
    ("executable", "arguments", "name"),
    [
        (PYTHON, ["python3", "/home/kim/.local/bin/aws", "s3", "cp"], "aws"),
        (PYTHON, ["/usr/bin/python3.11", "-s", "-W", "ignore", "-X", "dev", "/opt/up/load.py"], "load"),
        (PYTHON, ["python3", "-m", "awscli", "s3"], "awscli"),
        (PYTHON, ["python3", "-c", "import boto3"], ""),
        (PYTHON, ["python3", "-Ic", "import boto3"], ""),
        (PYTHON, ["python3", "-"], ""),
        (PYTHON, ["python3"], ""),
        (PYTHON, [], ""),
        (PYTHON, ["python3", "/tmp/a b\x1b[31m"], ""),
        (PYTHON, ["python3", "x" * 5000], ""),
        (PYTHON, ["python3", "/tmp/\u202egnp.exe"], ""),
        ("/usr/bin/node", ["node", "--require", "x", "sync.mjs"], "sync"),
        ("/usr/bin/perl", ["perl", "-e", "print"], ""),
        ("/bin/bash", ["bash", "backup.sh"], "backup"),
        ("/usr/bin/rclone", ["rclone", "copy"], ""),
        ("/usr/bin/pythonish", ["pythonish", "aws"], ""),
    ],
)
def test_the_script_is_named_as_a_person_would_call_it(executable: str, arguments: list[str], name: str) -> None:
    assert script_in(executable, "".join(f"{one}\0" for one in arguments).encode()) == name


def test_a_command_line_that_is_no_text_names_nothing_odd() -> None:
    assert script_in(PYTHON, b"python3\0/tmp/\xff\xfe\0") == ""


def test_a_running_script_is_named(tmp_path: Path) -> None:
    script = tmp_path / "aws"
    script.write_text("import sys\nprint(flush=True)\nsys.stdin.read()\n")
    with subprocess.Popen([sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert Scripts(patience=5.0).of(process.pid, str(Path(sys.executable).resolve())) == "aws"
        process.communicate()


def test_a_process_whose_memory_never_answers_keeps_nobody_waiting(tmp_path: Path) -> None:
    """A pipe that nobody writes into stands for it; the next one is named as soon as it answered."""
    for pid in (1, 2):
        (tmp_path / str(pid)).mkdir()
    os.mkfifo(tmp_path / "1/cmdline")
    (tmp_path / "2/cmdline").write_bytes(b"python3\0aws\0")
    scripts = Scripts(tmp_path, patience=0.01)
    assert scripts.of(1, PYTHON) == ""
    assert scripts.of(2, PYTHON) == ""
    with (tmp_path / "1/cmdline").open("wb") as pipe:
        pipe.write(b"python3\0rclone\0")
    while not (said := scripts.of(2, PYTHON)):
        pass
    assert said == "aws"


def test_what_a_process_says_is_on_record_and_no_fact() -> None:
    one, other = Actor("kim", executable=PYTHON, script="aws"), Actor("kim", executable=PYTHON, script="rclone")
    assert one.recorded()["script"] == "aws"
    assert one == other and one.as_json() == other.as_json()
    assert "script" not in one.as_json()
