"""Clients whose libraries cannot stand beside ours: each in an environment of its own."""

from __future__ import annotations

import fcntl
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROJECT = (ROOT / "agent", ROOT / "connectors")
"""What a program has to find to use a guard; nothing of the project's own requirements."""


SOURCES = "# from source: "
"""Begins the line of ``NAME.in`` that lists what has no wheel. What builds it is locked with it, and comes first."""


def python_with(name: str) -> Path:
    """The interpreter of an environment with what ``requirements/clients/NAME.txt`` locks, hashes checked; made once,
    whoever asks for it meanwhile. The programs that came along lie beside it.
    """
    folder = ROOT / ".tools" / "clients" / name
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        _made(name)
    return folder / "bin" / "python"


def _made(name: str) -> None:
    lock, folder = ROOT / "requirements" / "clients" / f"{name}.txt", ROOT / ".tools" / "clients" / name
    stamp, wanted = folder / "stamp", lock.read_bytes()
    if not stamp.exists() or stamp.read_bytes() != wanted:
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        pip = [str(folder / "bin/python"), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        pip += ["--require-hashes", "--only-binary", ":all:"]
        asked = lock.with_suffix(".in").read_text(encoding="utf-8").splitlines()
        sources = [line.removeprefix(SOURCES).replace(" ", ",") for line in asked if line.startswith(SOURCES)]
        if sources:
            builder = folder / "builder.txt"
            builder.write_text(_entry("setuptools", wanted.decode()), encoding="utf-8")
            subprocess.run([*pip, "-r", str(builder)], check=True)
            pip += ["--no-binary", sources[0], "--no-build-isolation"]
        subprocess.run([*pip, "-r", str(lock)], check=True)
        stamp.write_bytes(wanted)


def _entry(name: str, lock: str) -> str:
    """A package's line of a lock, with its hashes."""
    found = re.search(rf"^{name}==.*\n(?: .*\n)*", lock, re.MULTILINE)
    return found[0] if found else ""


if __name__ == "__main__":  # all of them, before tests with a time limit ask for one
    for each in sorted((ROOT / "requirements" / "clients").glob("*.txt")):
        python_with(each.stem)
