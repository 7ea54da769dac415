"""Lines of the operations log on their way to a descriptor that may refuse them: no write ever raises.

A log on a full disk must not end the thread that complains of the full disk. What is refused waits, bounded, and is
tried again with the next line; what has no room there is counted, and a line tells of the number once there is room.
"""

from __future__ import annotations

import json
import os
import threading
from collections import deque

from haechi.domain.errors import FULL, HaechiError

MOST_WAITING = 256 * 1024
"""Bytes that wait for a log that refuses."""


class Lines:
    """What structlog writes to, from any thread. ``descriptor`` stays its owner's."""

    def __init__(self, descriptor: int, name: str, *, most: int = MOST_WAITING) -> None:
        """``name`` is where the lines go, for people."""
        self._descriptor, self._name, self._most = descriptor, name, most
        self._lock = threading.Lock()
        self._waiting: deque[bytes] = deque()
        self._bytes = 0
        self._untold = 0
        self._refused: OSError | None = None
        self.lost = 0
        """Lines that there is nothing left of."""

    def write(self, text: str) -> int:
        """Write a line, or keep it for later. Never raises."""
        data = text.encode("utf-8", "backslashreplace")
        with self._lock:
            if self._bytes + len(data) > self._most:
                self.lost += 1
                self._untold += 1
            else:
                self._keep(data)
            self._drain()
        return len(text)

    def flush(self) -> None:
        """Try again what was refused. Never raises."""
        with self._lock:
            self._drain()

    @property
    def problem(self) -> HaechiError | None:
        """Why lines wait: ``telemetry.log-disk-full``, ``telemetry.log-refused``; None where none do. Tries again
        first.
        """
        self.flush()
        refused = self._refused
        if refused is None:
            return None
        code = "telemetry.log-disk-full" if refused.errno in FULL else "telemetry.log-refused"
        return HaechiError(code, file=self._name, reason=refused.strerror or type(refused).__name__)

    def _keep(self, data: bytes) -> None:
        self._waiting.append(data)
        self._bytes += len(data)

    def _drain(self) -> None:
        try:
            while self._waiting:
                first = self._waiting[0]
                done = os.write(self._descriptor, first)
                self._bytes -= done
                if done < len(first):  # the disk filled within the line: the rest of it comes first
                    self._waiting[0] = first[done:]
                    continue
                self._waiting.popleft()
                if self._untold and not self._waiting:
                    told = {"event": "log.lines-lost", "level": "warning", "lines": self._untold}
                    self._untold = 0
                    self._keep(json.dumps(told).encode("ascii") + b"\n")
            self._refused = None
        except OSError as error:
            self._refused = error
