"""A command's end of the control socket. Synchronous; light to import, since every command pays for it."""

from __future__ import annotations

import itertools
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
    where = path or default_path()
    identity = str(next(_numbers))
    request = {"id": identity, "call": name, "args": args or {}, "files": len(files)}
    line = protocol.encode(request)
    with _connected(where, timeout) as connection:
        try:
            sent = socket.send_fds(connection, [line], list(files)) if files else 0
            connection.sendall(line[sent:])
        except TimeoutError as error:
            raise HaechiError("control.silent", seconds=timeout) from error
        except OSError:
            pass  # the agent may have answered (too many callers) before it closed
        for answer in _answers(connection, timeout):
            if "progress" in answer:
                if on_progress is not None and isinstance(answer["progress"], dict):
                    on_progress(answer["progress"])
            elif "error" in answer:
                raise protocol.error_from(answer["error"])
            elif answer.get("id") == identity and isinstance(answer.get("result"), dict):
                result: dict[str, Any] = answer["result"]
                return result
            else:
                raise HaechiError("control.bad-answer")
    raise HaechiError("control.connection-lost")


def default_path() -> Path:
    """The socket of the agent that the settings name."""
    from haechi.settings import load

    return load().paths.control_socket


def running(path: Path | None = None) -> bool:
    """Whether something listens on the socket."""
    try:
        _connected(path or default_path(), 2).close()
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
