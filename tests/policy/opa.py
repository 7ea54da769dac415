"""A real OPA server for tests: found where the project keeps its tools, run on a free loopback port."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def binary() -> str:
    """The opa program. A missing one fails the test: conformance is never skipped."""
    own = ROOT / ".tools" / "bin" / "opa"
    found = str(own) if own.is_file() else shutil.which("opa")
    if found is None:
        raise RuntimeError("opa is missing: run make deps")
    return found


@contextlib.contextmanager
def server(*arguments: str) -> Iterator[int]:
    """A running server; yields its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = [
        binary(), "run", "--server", f"--addr=127.0.0.1:{port}", "--log-level=error", "--disable-telemetry", *arguments,
    ]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _await_ready(process, port)
        yield port
    finally:
        process.terminate()
        process.wait(10)


def _await_ready(process: subprocess.Popen[bytes], port: int) -> None:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        if process.poll() is not None:
            raise RuntimeError(f"opa ended with {process.returncode}")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1):
                return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError("opa did not get ready")
