"""One store in a process of its own: a free port, a log file, a wait until it answers, a clean stop."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

READY_SECONDS = 30.0
STOP_SECONDS = 5.0


def free_port() -> int:
    """A port that was free a moment ago on IPv4 loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class StoreProcess:
    """A started server. ``start`` returns once a TLS handshake against ``ca`` succeeds."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str], port: int, ca: Path, log: Path) -> None:
        self._command, self._env, self._port, self._ca, self._log = list(command), dict(env), port, ca, log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start and wait. Raises ``RuntimeError`` with the end of the log when it ends or stays silent."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, env={**os.environ, **self._env}, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        deadline = time.monotonic() + READY_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"{self._command[0]} did not come up:\n{self.tail()}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Ask it to end, then end it."""
        if self._process is None:
            return
        process, self._process = self._process, None
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_SECONDS)

    @property
    def pid(self) -> int:
        """The server's process id while it runs."""
        if self._process is None:
            raise RuntimeError("the store is not running")
        return self._process.pid

    def tail(self, lines: int = 20) -> str:
        """The end of its log."""
        with contextlib.suppress(OSError):
            return "\n".join(self._log.read_text(errors="replace").splitlines()[-lines:])
        return ""

    def _answers(self) -> bool:
        context = ssl.create_default_context(cafile=str(self._ca))
        try:
            with (
                socket.create_connection(("127.0.0.1", self._port), timeout=2) as plain,
                context.wrap_socket(plain, server_hostname="localhost"),
            ):
                return True
        except OSError:
            return False
