"""The agent as guards ask it, from a person's own program: any thread, any number of processes, over its socket.

Theory. A connection carries one question at a time and belongs to the process that opened it. So connections are kept
in a pool, as many as there are questions at the same time and at most ``AT_ONCE``; a process that was forked begins
with none. The agent closes a connection that is quiet for 30 s, so one that was quiet for longer than ``FRESH_S`` is
not used again: a question must not be lost in its closing. Knows neither SDKs nor requests' meaning.
"""

from __future__ import annotations

import base64
import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

from haechi.domain.errors import HaechiError
from haechi.domain.upload import Request
from haechi.inbound.control.client import Connection, default_path
from haechi.ports.guard import Body, FileRange, Mending, Read
from haechi.ports.judge import Reply

AT_ONCE: Final = 8
"""Connections of one process; the agent gives 32 to all that one user runs. This project's choice."""
FRESH_S: Final = 20.0
KEPT: Final = 3
"""Connections that a process keeps while it asks nothing: its neighbours' need room too."""
CROWDED_S: Final = 40.0
"""How long it is tried again where the agent has no room for another connection: until it closes quiet ones."""
ANSWER_S: Final = 60.0
"""Seconds without a word from the agent: longer than it takes for its own limits to answer."""
LONG_S: Final = 600.0
"""The same for sealing, where others' files may be before."""
PIECE: Final = 256 << 10


@cache
def agent_at(path: Path) -> Agent:
    """One for each socket: clients of one program share its connections."""
    agent = Agent(path)
    os.register_at_fork(after_in_child=agent.begin_anew)
    return agent


def default_socket() -> Path:
    """The socket of the agent that the settings name. Raises ``HaechiError('settings.…')``."""
    return default_path()


class Agent:
    """Implements ``haechi.ports.guard.Asked``."""

    def __init__(self, path: Path, *, at_once: int = AT_ONCE, seconds: float = ANSWER_S) -> None:
        self._path, self._at_once, self._seconds = path, at_once, seconds
        self._open: set[Connection] = set()
        self._start()

    def _start(self) -> None:
        self._lock = threading.Lock()
        self._room = threading.BoundedSemaphore(self._at_once)
        self._idle: list[tuple[float, Connection]] = []

    def begin_anew(self) -> None:
        """In a process that was just forked: its connections are its parent's, which goes on using them, and its locks
        may be held by threads that are not here.
        """
        for connection in self._open:
            connection.close()
        self._open = set()
        self._start()

    def judge(self, request: Request, body: Body, proxy: str) -> Reply | None:
        """See the port."""
        args = {**_head(request), "proxy": proxy}
        if isinstance(body, bytes):
            if body:
                args["body"] = base64.b64encode(body).decode("ascii")
            answer = self._ask("guard.judge", args)
        elif isinstance(body, FileRange):
            args["file"] = {"offset": body.offset, "length": body.length, "chunked": body.chunked}
            answer = self._ask("guard.judge", args, (body.descriptor,))
        else:
            answer = self._streamed({**args, "stream": True}, body)
        return _reply(answer)

    def mending(self, request: Request, source: int, name: str) -> Mending:
        """See the port."""
        answer = self._ask("guard.comply", {**_head(request), "path": name}, (source,), LONG_S)
        return Mending(answer.get("seal") is True, str(answer.get("key", "")))

    def seal(self, source: int, target: int, name: str) -> None:
        """See the port."""
        self._ask("seal.file", {"path": name}, (source, target), LONG_S)

    def _ask(
        self, name: str, args: Mapping[str, Any], files: Sequence[int] = (), seconds: float | None = None
    ) -> dict[str, Any]:
        with self._connection(seconds) as connection:
            connection.send(name, dict(args), files)
            return connection.answer()

    def _streamed(self, args: Mapping[str, Any], read: Read) -> dict[str, Any]:
        ours, theirs = socket.socketpair()
        with self._connection() as connection, ours:
            with theirs:
                connection.send("guard.judge", dict(args), (theirs.fileno(),))
            ours.settimeout(self._seconds)
            while self._sent(ours, piece := read(PIECE)) and piece:
                pass
            return connection.answer()

    def _sent(self, ours: socket.socket, piece: bytes) -> bool:
        """A piece, after its length; the end is one of no bytes. False where nobody wants more: the agent knows enough,
        or is gone, and its answer tells.
        """
        try:
            ours.sendall(len(piece).to_bytes(4, "big"))
            ours.sendall(piece)
        except TimeoutError as error:
            raise HaechiError("control.silent", seconds=self._seconds) from error
        except OSError:
            return False
        return True

    @contextlib.contextmanager
    def _connection(self, seconds: float | None = None) -> Iterator[Connection]:
        """A connection for one question. What goes wrong in it ends it. ``seconds``: one of its own, as patient."""
        if not self._room.acquire(timeout=LONG_S):
            raise HaechiError("control.silent", seconds=LONG_S)
        room = self._room
        try:
            connection = self._taken() if seconds is None else self._opened(seconds)
            try:
                yield connection
            except BaseException:
                self._close(connection)
                raise
            if seconds is not None or not self._kept(connection):
                self._close(connection)
        finally:
            room.release()

    def _kept(self, connection: Connection) -> bool:
        with self._lock:
            room = len(self._idle) < KEPT
            if room:
                self._idle.append((time.monotonic(), connection))
            return room

    def _taken(self) -> Connection:
        while True:
            with self._lock:
                if not self._idle:
                    break
                since, connection = self._idle.pop()  # the youngest: the others grow old and are closed
            if time.monotonic() - since < FRESH_S and not connection.stale:
                return connection
            self._close(connection)
        return self._opened(self._seconds)

    def _opened(self, seconds: float) -> Connection:
        """A new one. The agent says over it that there is no room for it, before anything was asked."""
        until = time.monotonic() + CROWDED_S
        while True:
            connection = Connection(self._path, seconds)
            self._open.add(connection)
            try:
                connection.send("guard.hello")
                connection.answer()
                return connection
            except HaechiError as error:
                self._close(connection)
                if error.code != "control.too-many" or time.monotonic() > until:
                    raise
            time.sleep(0.05)

    def _close(self, connection: Connection) -> None:
        self._open.discard(connection)
        connection.close()


def _head(request: Request) -> dict[str, Any]:
    return {
        "method": request.method,
        "scheme": request.scheme,
        "host": request.host,
        "target": request.target,
        "headers": [list(header) for header in request.headers],
    }


def _reply(answer: Mapping[str, Any]) -> Reply | None:
    refused = answer.get("refused", "")
    if refused is None:
        return None
    try:
        headers = tuple((str(name), str(value)) for name, value in refused["headers"])
        return Reply(int(refused["status"]), headers, base64.b64decode(refused["body"]))
    except (KeyError, TypeError, ValueError) as error:
        raise HaechiError("control.bad-answer") from error
