"""A command's end of the control socket. Synchronous; light to import, since every command pays for it."""

from __future__ import annotations

import contextlib
import itertools
import select
import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from haechi.domain.errors import HaechiError
from haechi.inbound.control import protocol

_numbers = itertools.count(1)


def call(
    name: str,
    args: dict[str, Any] | None = None,
    on_progress: Callable[[dict[str, Any]], None] | None = None,
    timeout: float = 60,
    *,
    files: Sequence[int] = (),
    path: Path | None = None,
) -> dict[str, Any]:
    """Ask the running agent and wait for its result.

    ``timeout``: seconds without a word from the agent (each progress message begins it anew). ``files``: open
    descriptors to hand over. ``path``: the socket, where it is not that of the settings.

    Raises ``HaechiError``: ``control.not-running`` (with how to start it), ``control.silent``,
    ``control.connection-lost``, or the agent's own named error.
    """
    with contextlib.closing(Connection(path or default_path(), timeout)) as connection:
        connection.send(name, args, files)
        return connection.answer(on_progress)


class Connection:
    """A connection for one call after another: ``send``, then ``answer``. Not for two threads at a time, and never
    shared over a fork. ``timeout`` as of ``call``.
    """

    def __init__(self, where: Path, timeout: float = 60) -> None:
        """Raises ``HaechiError``: ``control.not-running``, ``control.no-permission``."""
        self._timeout = timeout
        self._socket = _connected(where, timeout)
        self._answers = _answers(self._socket, timeout)
        self._asked = ""

    @property
    def stale(self) -> bool:
        """Whether the agent has closed it, or says something that nobody asked."""
        waiting = select.poll()
        waiting.register(self._socket, select.POLLIN)
        return bool(waiting.poll(0))

    def send(self, name: str, args: dict[str, Any] | None = None, files: Sequence[int] = ()) -> None:
        """Ask. Raises ``HaechiError('control.silent')``, ``control.too-large``."""
        self._asked = str(next(_numbers))
        line = protocol.encode({"id": self._asked, "call": name, "args": args or {}, "files": len(files)})
        try:
            sent = socket.send_fds(self._socket, [line], list(files)) if files else 0
            self._socket.sendall(line[sent:])
        except TimeoutError as error:
            raise HaechiError("control.silent", seconds=self._timeout) from error
        except OSError:
            pass  # the agent may have answered (too many callers) before it closed

    def answer(self, on_progress: Callable[[dict[str, Any]], None] | None = None) -> dict[str, Any]:
        """Wait for the result. Raises as ``call``."""
        for answer in self._answers:
            if "progress" in answer:
                if on_progress is not None and isinstance(answer["progress"], dict):
                    on_progress(answer["progress"])
            elif "error" in answer:
                raise protocol.error_from(answer["error"])
            elif answer.get("id") == self._asked and isinstance(answer.get("result"), dict):
                result: dict[str, Any] = answer["result"]
                return result
            else:
                raise HaechiError("control.bad-answer")
        raise HaechiError("control.connection-lost")

    def close(self) -> None:
        """Hang up; a call that is not answered ends."""
        self._socket.close()


def default_path() -> Path:
    """The socket of the agent that the settings name."""
    from haechi.settings import load

    return load().paths.control_socket


def running(path: Path | None = None) -> bool:
    """Whether something listens on the socket."""
    try:
        Connection(path or default_path(), 2).close()
    except HaechiError:
        return False
    return True


def _connected(where: Path, timeout: float) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(timeout)
    try:
        connection.connect(str(where))
    except PermissionError as error:
        connection.close()
        raise HaechiError("control.no-permission", socket=str(where)) from error
    except OSError as error:
        connection.close()
        raise HaechiError("control.not-running", socket=str(where)) from error
    return connection


def _answers(connection: socket.socket, timeout: float) -> Iterator[dict[str, Any]]:
    buffer = bytearray()
    while True:
        end = buffer.find(b"\n")
        if end >= 0:
            line = bytes(buffer[:end])
            del buffer[: end + 1]
            yield protocol.decode_answer(line)
            continue
        if len(buffer) > protocol.MAX_LINE:
            raise HaechiError("control.bad-answer")
        try:
            data = connection.recv(65536)
        except TimeoutError as error:
            raise HaechiError("control.silent", seconds=timeout) from error
        except OSError as error:
            raise HaechiError("control.connection-lost") from error
        if not data:
            return
        buffer += data
