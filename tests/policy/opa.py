"""A real OPA server for tests: found where the project keeps its tools, run on a free loopback port."""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil

from tests.stores.certificates import Certificate

ROOT = Path(__file__).resolve().parents[2]


def tool(name: str) -> str:
    """A Go tool of the project. A missing one fails the test: conformance is never skipped."""
    own = ROOT / ".tools" / "bin" / name
    found = str(own) if own.is_file() else shutil.which(name)
    if found is None:
        raise RuntimeError(f"{name} is missing: run make deps")
    return found


def binary() -> str:
    """The opa program."""
    return tool("opa")


@contextlib.contextmanager
def server(*arguments: str, port: int = 0, ca: Path | None = None, shows: Certificate | None = None) -> Iterator[int]:
    """A running server, on ``port`` or a free one; yields it. ``ca`` verifies one that speaks TLS, ``shows`` is the
    client's certificate that it asks for.
    """
    port = port or free_port()
    command = [
        binary(), "run", "--server", f"--addr=127.0.0.1:{port}", "--log-level=error", "--disable-telemetry", *arguments,
    ]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _await_ready(process, port, _context(ca, shows))
        yield port
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGCONT)
            process.terminate()
        process.wait(10)


def free_port() -> int:
    """A port of loopback that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def process(port: int) -> psutil.Process:
    """The server on a port that ``server`` started."""
    return next(one for one in psutil.Process().children() if f"--addr=127.0.0.1:{port}" in one.cmdline())


def _context(ca: Path | None, shows: Certificate | None) -> ssl.SSLContext | None:
    if ca is None:
        return None
    context = ssl.create_default_context(cafile=str(ca))
    if shows is not None:
        context.load_cert_chain(shows.cert, shows.key)
    return context


def _await_ready(process: subprocess.Popen[bytes], port: int, context: ssl.SSLContext | None) -> None:
    scheme = "https" if context else "http"
    until = time.monotonic() + 20
    while time.monotonic() < until:
        if process.poll() is not None:
            raise RuntimeError(f"opa ended with {process.returncode}")
        try:
            with urllib.request.urlopen(f"{scheme}://localhost:{port}/health", timeout=1, context=context):
                return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError("opa did not get ready")
