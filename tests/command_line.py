"""The command line against a control socket in this process: what the tests of calls and commands share.

A bench holds the use cases and says which calls its socket answers; ``served`` runs that socket in a thread and points
the command line at it.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import pytest
import structlog
from haechi.inbound.control.peer import Role
from haechi.inbound.control.server import ControlServer


class Answering(Protocol):
    """What a bench gives. ``roles``: what every caller may do, as of each call."""

    folder: Path
    roles: set[Role]

    def register(self, server: ControlServer) -> None:
        """Tell the socket its calls."""


@contextmanager
def settled_folder() -> Iterator[Path]:
    """A folder with settings of its own; short, since a socket's path has 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="hc") as name:
        lines = f"[paths]\nstate='{name}/s'\nconfig='{name}/c'\nruntime='{name}/r'\n"
        Path(name, "haechi.toml").write_text(lines, encoding="utf-8")
        yield Path(name)


@contextmanager
def served(bench: Answering, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The bench's calls are answered while this is open; the command line speaks English to it."""
    monkeypatch.setenv("HAECHI_CONFIG", str(bench.folder / "haechi.toml"))
    monkeypatch.setenv("HAECHI_LANG", "en")
    monkeypatch.delenv("HAECHI_IDENTITY", raising=False)
    loop, started, stop = asyncio.new_event_loop(), threading.Event(), asyncio.Event()

    async def serve() -> None:
        server = ControlServer(
            bench.folder / "r/control.sock",
            lambda peer: bench.roles,
            structlog.wrap_logger(structlog.PrintLogger(sys.stderr)),
        )
        bench.register(server)
        await server.start()
        started.set()
        await stop.wait()
        await server.stop()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    try:
        assert started.wait(10), "the control socket did not start"
        yield
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        assert not thread.is_alive(), "the control socket did not stop"
        loop.close()


def told(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """The one JSON document that a command printed."""
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document
