"""Notices through ``notify-send``. Never blocks, never raises: a notice that can not be shown is counted.

Only for an agent that runs in a person's own session (cooperative); a service under its own user has no desktop.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from collections import deque
from collections.abc import Mapping

from haechi.ports.clock import Clock
from haechi.ports.metrics import Metrics

WAITING = 4
"""Notices that may be on their way at once."""
SECONDS = 3.0
TITLE_LENGTH, TEXT_LENGTH = 120, 600


class DesktopNotices:
    """Shows at most ``per_minute`` notices. ``program`` is the path of notify-send; empty shows none (headless)."""

    def __init__(self, program: str, per_minute: int, clock: Clock, metrics: Metrics) -> None:
        self._program = program
        self._per_minute = per_minute
        self._clock = clock
        self._metrics = metrics
        self._shown: deque[float] = deque()
        self._running: set[asyncio.Task[None]] = set()

    def show(self, title: str, text: str) -> bool:
        """Show a notice soon; whether it was taken. Call from the event loop's thread."""
        cause = self._obstacle()
        if cause:
            self._metrics.count("haechi_notices_dropped_total", cause=cause)
            return False
        self._shown.append(self._clock.monotonic())
        task = asyncio.create_task(self._send(_plain(title, TITLE_LENGTH), _plain(text, TEXT_LENGTH)))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return True

    async def close(self) -> None:
        """End what is still on its way."""
        for task in list(self._running):
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def _obstacle(self) -> str:
        if not self._program:
            return "headless"
        now = self._clock.monotonic()
        while self._shown and now - self._shown[0] >= 60:
            self._shown.popleft()
        if len(self._shown) >= self._per_minute:
            return "rate"
        return "busy" if len(self._running) >= WAITING else ""

    async def _send(self, title: str, text: str) -> None:
        process: asyncio.subprocess.Process | None = None
        try:
            async with asyncio.timeout(SECONDS):
                process = await asyncio.create_subprocess_exec(
                    self._program,
                    "--app-name=Haechi",
                    "--urgency=normal",
                    "--icon=dialog-warning",
                    "--",
                    title,
                    text,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.DEVNULL,
                    stderr=asyncio.subprocess.DEVNULL,
                )
                if await process.wait() != 0:
                    self._metrics.count("haechi_notices_dropped_total", cause="failed")
        except (OSError, TimeoutError):
            self._metrics.count("haechi_notices_dropped_total", cause="failed")
        finally:
            if process is not None and process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()


def notifier(environ: Mapping[str, str] | None = None) -> str:
    """The program that shows notices in this session; empty without a desktop."""
    env = os.environ if environ is None else environ
    has_desktop = env.get("DISPLAY") or env.get("WAYLAND_DISPLAY")
    return (shutil.which("notify-send", path=env.get("PATH")) or "") if has_desktop else ""


def _plain(text: str, limit: int) -> str:
    """Desktops read markup in notices, and names of files are chosen by others."""
    shown = "".join(character if character.isprintable() else " " for character in text)[:limit]
    return shown.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
