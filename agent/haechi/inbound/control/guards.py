"""Calls of guards, which sit on an SDK's client in a program of its own: ``guard.hello``, ``judge`` and ``comply``.

``guard.judge`` takes a request as it is about to go on the wire. Its body comes in one of three ways, so that neither
side ever holds a large one:

==============  =========================================================================================
argument        the body
==============  =========================================================================================
``body``        base64, of a small one
``file``        ``{"offset", "length", "chunked"}`` of the open regular file that is handed over. ``chunked``: the SDK
                frames it (aws-chunked) as it sends, and so it is judged
``stream``      true: from the socket that is handed over, as it lies on the wire, in pieces of at most ``PIECE`` bytes,
                each after its length in four bytes. One of no bytes is the end; without it the body was broken off
(none)          there is none
==============  =========================================================================================

The answer is ``{"refused": null}`` or what the data path would answer, ``{"refused": {"status", "headers", "body"}}``.
Nothing is decided here.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import os
import re
import socket
import stat
from collections import defaultdict
from collections.abc import AsyncGenerator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final

from haechi.app.complying import FindRemedy
from haechi.app.guarding import JudgeGuarded
from haechi.domain.errors import HaechiError
from haechi.domain.upload import Request
from haechi.inbound.control.calls import HOUR, actor_of, files, listed, optional, text
from haechi.inbound.control.peer import Peer, Role
from haechi.inbound.control.server import ControlServer, Progress
from haechi.ports.judge import Forward, Inspect, Judging, Refuse, Reply

PIECE: Final = 256 << 10
LENGTH: Final = 4
ANSWER_S: Final = 20.0
"""Seconds for one answer of the judge; as the data path has it."""
STREAM_S: Final = 60.0
"""Seconds without a byte of a body that is being handed over."""
FILES_OF_USER: Final = 2
FILES_AT_ONCE: Final = 4
"""Files that are read at the same time, by threads that wait for nothing else: a file may lie where nothing answers."""
MOST_HEADERS: Final = 1024
_METHOD: Final = re.compile(r"[A-Z]{1,32}")

Pieces = AsyncGenerator[tuple[bytes, bool], None]
"""Of a body, in order, each with whether it is the last."""


def register_guards(server: ControlServer, guarded: JudgeGuarded, remedies: FindRemedy) -> None:
    """``guard.judge`` is anybody's, as the data path is; ``guard.comply`` reads a file, for people's accounts.
    ``guard.hello`` says that there is room for the connection.
    """
    bodies = _Bodies()

    async def judge(args: dict[str, Any], peer: Peer, progress: Progress) -> dict[str, Any]:
        request = _request(args)
        async with contextlib.aclosing(bodies.of(args, peer)) as pieces:
            judging = guarded.open(peer.pid, peer.uid, request, optional(args, "proxy"))
            refused = await _judged(judging, pieces)
        return {"refused": _form(refused) if refused else None}

    async def comply(args: dict[str, Any], peer: Peer, progress: Progress) -> dict[str, Any]:
        (source,) = files(peer, 1)
        found = await remedies(_request(args), source, text(args, "path"), actor_of(peer))
        return {"seal": found.seal, "key": found.key, "allowed": found.allowed}

    async def hello(args: dict[str, Any], peer: Peer, progress: Progress) -> dict[str, Any]:
        return {}

    server.register("guard.hello", hello, Role.ANYONE)
    server.register("guard.judge", judge, Role.ANYONE, timeout=HOUR)
    server.register("guard.comply", comply, Role.ENGINEER, timeout=HOUR)


async def _judged(judging: Judging, pieces: Pieces) -> Reply | None:
    """The refusal, or None. However it ends early, the judgement hears of it."""
    try:
        return await _asked(judging, pieces)
    except asyncio.CancelledError:
        await judging.abandoned("client-closed")
        raise
    except TimeoutError as error:
        await judging.abandoned("judge-late")
        raise HaechiError("guard.late", seconds=ANSWER_S) from error
    except HaechiError:
        await judging.abandoned("client-closed")
        raise
    except Exception:
        await judging.abandoned("judge-failed")
        raise


async def _asked(judging: Judging, pieces: Pieces) -> Reply | None:
    async with asyncio.timeout(ANSWER_S):
        verdict: Forward | Inspect | Refuse = await judging.head()
    if isinstance(verdict, Inspect):
        async for data, last in pieces:
            async with asyncio.timeout(ANSWER_S):
                verdict = await judging.piece(data, last)
            if isinstance(verdict, Refuse):
                break
    return verdict.reply if isinstance(verdict, Refuse) else None


class _Bodies:
    """Reads bodies in the three ways."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(FILES_AT_ONCE, thread_name_prefix="guarded")
        self._turns: defaultdict[int, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(FILES_OF_USER))

    def of(self, args: Mapping[str, Any], peer: Peer) -> Pieces:
        """The body in pieces, each with whether it is the last. Raises ``control.bad-request``."""
        if "file" in args:
            (descriptor,) = files(peer, 1)
            offset, length, chunked = _range(args["file"])
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise HaechiError("control.bad-request", reason="file")
            plain = self._file(descriptor, offset, length, peer.uid)
            return _chunked(plain) if chunked else plain
        if args.get("stream") is True:
            (descriptor,) = files(peer, 1)
            if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                raise HaechiError("control.bad-request", reason="stream")
            return _streamed(descriptor)
        files(peer, 0)
        body = args.get("body", "")
        try:
            return _whole(base64.b64decode(body, validate=True))
        except (binascii.Error, ValueError, TypeError) as error:
            raise HaechiError("control.bad-request", reason="body") from error

    async def _file(self, descriptor: int, offset: int, length: int, uid: int) -> Pieces:
        # A copy of the descriptor, which the last reading closes: it may go on when nobody waits for it any longer.
        copy, left = os.dup(descriptor), length
        reading: Future[bytes] = Future()
        reading.set_result(b"")
        try:
            while left:
                async with self._turns[uid]:
                    reading = self._threads.submit(os.pread, copy, min(PIECE, left), offset)
                    data = await asyncio.wrap_future(reading)
                if not data:
                    break  # shorter than was said: the judge, who was told the length, sees that it is cut
                offset, left = offset + len(data), left - len(data)
                yield data, False
        except OSError as error:
            raise HaechiError("guard.unreadable", reason=error.strerror or "") from error
        finally:
            reading.add_done_callback(lambda _: os.close(copy))
        yield b"", True


async def _whole(data: bytes) -> Pieces:
    yield data, True


async def _chunked(plain: Pieces) -> Pieces:
    """Framed as the SDK does it, without the checksum behind it, which is not known yet."""
    async for data, last in plain:
        yield (b"0\r\n\r\n" if last else b"%x\r\n%s\r\n" % (len(data), data)), last


async def _streamed(descriptor: int) -> Pieces:
    reader, writer = await asyncio.open_connection(sock=socket.socket(fileno=os.dup(descriptor)), limit=2 * PIECE)
    try:
        while True:
            async with asyncio.timeout(STREAM_S):
                size = int.from_bytes(await reader.readexactly(LENGTH), "big")
                if size > PIECE:
                    raise HaechiError("control.bad-request", reason="stream")
                data = await reader.readexactly(size)
            yield data, not size
            if not size:
                return
    except TimeoutError as error:
        raise HaechiError("guard.body-stopped", seconds=STREAM_S) from error
    except (OSError, asyncio.IncompleteReadError) as error:
        raise HaechiError("control.bad-request", reason="stream") from error
    finally:
        writer.transport.abort()


def _request(args: Mapping[str, Any]) -> Request:
    """The head. Raises ``control.bad-request``."""
    method, scheme = text(args, "method"), text(args, "scheme")
    if not _METHOD.fullmatch(method) or scheme not in ("http", "https"):
        raise HaechiError("control.bad-request", reason="method")
    headers: list[tuple[str, str]] = []
    for one in listed(args, "headers"):
        if not isinstance(one, list) or len(one) != 2 or not all(isinstance(word, str) for word in one):
            raise HaechiError("control.bad-request", reason="headers")
        headers.append((one[0].lower(), one[1]))
    return Request(method, scheme, text(args, "host").lower(), text(args, "target"), tuple(headers))


def _range(form: object) -> tuple[int, int, bool]:
    """Offset, length, and whether the SDK frames it. Raises ``control.bad-request``."""
    if isinstance(form, dict):
        offset, length = form.get("offset"), form.get("length")
        if type(offset) is int and type(length) is int and 0 <= offset < 1 << 62 and 0 <= length < 1 << 62:
            return offset, length, form.get("chunked") is True
    raise HaechiError("control.bad-request", reason="file")


def _form(reply: Reply) -> dict[str, Any]:
    return {
        "status": reply.status,
        "headers": [[name, value] for name, value in reply.headers],
        "body": base64.b64encode(reply.body).decode("ascii"),
    }
