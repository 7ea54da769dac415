"""Clients whose libraries cannot stand beside ours: each in an environment of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROJECT = (ROOT / "agent", ROOT / "connectors")
"""What a program has to find to use a guard; nothing of the project's own requirements."""


def python_with(name: str) -> Path:
    """The interpreter of an environment with what ``requirements/clients/NAME.txt`` locks, hashes checked; made once.
    The programs that came along lie beside it.
    """
    lock, folder = ROOT / "requirements" / "clients" / f"{name}.txt", ROOT / ".tools" / "clients" / name
    stamp, wanted = folder / "stamp", lock.read_bytes()
    if not stamp.exists() or stamp.read_bytes() != wanted:
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        pip = [str(folder / "bin/python"), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run([*pip, "--require-hashes", "--only-binary", ":all:", "-r", str(lock)], check=True)
        stamp.write_bytes(wanted)
    return folder / "bin" / "python"
