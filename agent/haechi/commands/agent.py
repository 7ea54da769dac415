"""``haechi agent``: run the agent here, or in the background for cooperative use.

Whether an agent runs is asked of its socket, and its process of the kernel (SO_PEERCRED): a number in a file could
name a process that is long another's.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import inspect
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from haechi.commands._frame import Exit, answer, json_option
from haechi.domain.errors import FULL, HaechiError
from haechi.words import say

if TYPE_CHECKING:
    from rich.console import Console

    from haechi.settings import Paths, Settings

FULL_BELOW = 1 << 20
"""Bytes: an agent that could not start on a disk with less than this is told to lack room."""
TAIL = 2000
"""Bytes of the agent's log that are shown when it did not start."""


@click.group(invoke_without_command=True)
@click.option(
    "--foreground", is_flag=True, help="Stay in the foreground (also without this option, as services want it)."
)
@click.pass_context
def agent(ctx: click.Context, foreground: bool) -> None:
    """Run the agent in the foreground, or start and stop one in the background."""
    if ctx.invoked_subcommand is not None:
        return
    from haechi.settings import load

    settings = load()
    _only_as_service(settings.paths)
    with held(settings.paths.lock):
        _run(settings)


@agent.command()
@click.option(
    "--wait", type=click.FloatRange(1, 600), default=30.0, show_default=True, help="Seconds until it must answer."
)
@json_option
def start(wait: float, as_json: bool) -> None:
    """Start the agent in the background and wait until it answers."""
    from haechi.settings import Layout, load

    paths = load().paths
    if paths.layout is Layout.SERVICE:
        raise HaechiError("agent.start-service")
    pid = _settled(paths.control_socket, paths.lock, wait)
    code = "agent.runs-already"
    if pid is None:
        paths.log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(paths.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as log:
            begun = log.seek(0, os.SEEK_END)
            process = subprocess.Popen(
                [sys.executable, "-m", "haechi.cli", "agent", "--foreground"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd="/",
            )
        ready = _await_ready(process, paths.control_socket, wait, paths.log, begun)
        pid, code = process.pid, "agent.started" if ready else "agent.still-starting"
    document = {
        "running": True,
        "pid": pid,
        "socket": str(paths.control_socket),
        "started": code != "agent.runs-already",
    }
    answer(document, as_json, lambda console: console.print(say(code, pid=pid, log=paths.log)))


@agent.command()
@click.option(
    "--wait", type=click.FloatRange(1, 600), default=15.0, show_default=True, help="Seconds until it must be gone."
)
@json_option
def stop(wait: float, as_json: bool) -> None:
    """Stop the agent that was started in the background."""
    from haechi.settings import Layout, load

    paths = load().paths
    if paths.layout is Layout.SERVICE:
        raise HaechiError("agent.is-service")
    with _agent_process(paths.control_socket) as (pid, handle):
        if pid is not None:
            signal.pidfd_send_signal(handle, signal.SIGTERM)
            if not select.select([handle], [], [], wait)[0]:
                raise HaechiError("agent.does-not-stop", pid=pid, seconds=wait)
    code = "agent.stopped" if pid is not None else "agent.ran-not"

    def render(console: Console) -> None:
        console.print(say(code, pid=pid))

    answer({"running": False, "stopped": pid is not None, "pid": pid}, as_json, render)


def _only_as_service(paths: Paths) -> None:
    """An installed agent runs as the owner of its state. As root it would own what it must not, and the machine's rules
    would lead its own connections back to it. Raises ``HaechiError('agent.start-service')``.
    """
    from haechi.settings import Layout

    if paths.layout is Layout.SERVICE:
        try:
            owner = paths.state.stat().st_uid
        except OSError:
            owner = None
        if owner in (None, 0) or owner != os.geteuid():
            raise HaechiError("agent.start-service")


@contextlib.contextmanager
def held(lock: Path) -> Iterator[None]:
    """Hold the one lock of this state; another holder raises ``HaechiError('agent.locked')``."""
    try:
        lock.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno in FULL:
            raise HaechiError("agent.disk-full", path=str(lock.parent)) from error
        raise HaechiError("agent.no-folder", path=str(lock.parent), reason=error.strerror or "") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "?"
        os.close(descriptor)
        raise HaechiError("agent.locked", lock=str(lock), pid=holder) from error
    try:
        with contextlib.suppress(OSError):  # a full disk; the lock is what counts
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def running_pid(path: Path) -> int | None:
    """The process that listens on the socket; None where nothing does."""
    from haechi.inbound.control.peer import peer_of

    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(2)
        try:
            probe.connect(str(path))
            return peer_of(probe).pid
        except PermissionError as error:
            raise HaechiError("control.no-permission", socket=str(path)) from error
        except OSError:
            return None


def _settled(path: Path, lock: Path, seconds: float) -> int | None:
    """The agent that runs; None where none does. One that ends, or begins, is waited for: it holds the lock, and does
    not answer. Raises ``HaechiError('agent.locked')`` where it does neither in time.
    """
    deadline = time.monotonic() + seconds
    while (pid := running_pid(path)) is None:
        try:
            with held(lock):
                return None
        except HaechiError as error:
            if error.code != "agent.locked" or time.monotonic() >= deadline:
                raise
        time.sleep(0.05)
    return pid


@contextlib.contextmanager
def _agent_process(path: Path) -> Iterator[tuple[int | None, int]]:
    """The agent's pid and a handle that stays its own even when the number is given to another process."""
    pid = running_pid(path)
    if pid is None:
        yield None, -1
        return
    handle = os.pidfd_open(pid)
    try:
        if running_pid(path) != pid:  # it ended between the question and the handle
            raise HaechiError("agent.does-not-stop", pid=pid, seconds=0)
        yield pid, handle
    finally:
        os.close(handle)


def _await_ready(process: subprocess.Popen[bytes], path: Path, seconds: float, log: Path, begun: int) -> bool:
    """Wait until the agent is ready; False where it answers but still prepares (a large first scan), and goes on.

    Raises ``HaechiError``: ``agent.died``, or ``agent.not-ready`` for one that never answered; it is ended then.
    """
    deadline, answers = time.monotonic() + seconds, False
    while time.monotonic() < deadline:
        if process.poll() is not None:
            if _is_full(log.parent):  # then its log has no room for why
                raise HaechiError("agent.disk-full", path=str(log.parent))
            raise HaechiError("agent.died", status=process.returncode, log=str(log), tail=_tail(log, begun))
        ready = _ready(path) if path.exists() else None
        if ready:
            return True
        answers = answers or ready is False
        time.sleep(0.05)
    if answers:
        return False
    process.terminate()
    raise HaechiError("agent.not-ready", seconds=seconds, log=str(log), tail=_tail(log, begun))


def _is_full(folder: Path) -> bool:
    """Whether next to nothing can be written there."""
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize < FULL_BELOW


def _ready(path: Path) -> bool | None:
    """Whether the agent says that it is ready; None where it does not answer."""
    from haechi.inbound.control import client

    try:
        return client.call("agent.status", path=path, timeout=5).get("ready", True) is not False
    except HaechiError as error:
        return True if error.code == "control.unknown-call" else None


def _tail(log: Path, begun: int) -> str:
    with log.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(begun, size - TAIL))
        return file.read().decode("utf-8", "replace").strip()


def _run(settings: Settings) -> None:
    """Hand over to the agent itself."""
    try:
        from haechi.main import run_agent
    except ModuleNotFoundError as error:
        raise HaechiError("cli.missing-command", command="agent", module=error.name or "haechi.main") from error
    result = run_agent(settings)
    if inspect.isawaitable(result):
        result = asyncio.run(_awaited(result))
    if isinstance(result, int) and result:
        raise SystemExit(result or Exit.OK)


async def _awaited(result: Any) -> Any:
    return await result
