"""Translates between Envoy (ext_proc) and the judge: one stream for a head, a second one where its body is judged.

Theory. Envoy reads a stream that the server ends *well* as "no more to say" and lets the rest of the request pass. So a
stream is ended well only after the last piece was answered; every other way out (an error here, a shutdown, a message
out of turn) ends it with an error, which Envoy answers with a refusal.

=============  ==========================  ======================================================
judge's head   answer to Envoy             then
=============  ==========================  ======================================================
``Forward``    head passes                 nothing more is asked
``Inspect``    head marked with a token    the body filter's stream brings the head again, and the body
``Refuse``     immediate response          nothing more is asked
=============  ==========================  ======================================================

In ``PIECES`` each piece then waits for its own verdict, never for a later one, and a store that answers before the
body's end is not heard at once (``Stream``). ``WHOLE`` gives nothing back before the last verdict.

Small requests come as ``checks`` instead, unless their head has to be seen line by line.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import structlog
from envoy.service.ext_proc.v3 import external_processor_pb2 as ext_proc

from haechi.inbound.envoy import messages
from haechi.inbound.envoy.clusters import RESOLVE_S
from haechi.inbound.envoy.http import CONNECT_STATE, PIECES_TOKEN, ROLE, SCHEME, SOURCE_STATE, WAY, WHOLE_TOKEN
from haechi.inbound.envoy.spool import Spool, SpoolBudget, SpoolFullError
from haechi.inbound.envoy.stream import Stream
from haechi.inbound.envoy.tally import Tally
from haechi.inbound.envoy.told import connection_of
from haechi.ports.judge import Connection, Forward, Hold, Inspect, Judge, Judging, Refuse, Reply

SERVICE = "envoy.service.ext_proc.v3.ExternalProcessor"
_REPLAYED = 256 << 10
_AHEAD = 8 << 20
"""How far a replayed body may run ahead of its upstream."""
_LOOK_AGAIN_S = 0.02
_TRICKLE_S = 5.0
"""One slow upstream must not starve the others for good: after this long one more piece goes."""
_CLAIM_WITHIN_S = RESOLVE_S + 5.0
"""Between head and body the host's name is looked up."""
_MAX_WAITING = 4096


@dataclass(slots=True)
class _Waiting:
    """A judgement whose body comes on the body filter's stream."""

    judging: Judging
    hold: Hold
    timeout: asyncio.TimerHandle = field(repr=False)


class Processor:
    """The ext_proc service."""

    def __init__(
        self,
        judge: Judge,
        *,
        spool_dir: Path,
        spool_bytes: int,
        log: structlog.typing.FilteringBoundLogger,
        buffered: Callable[[], Awaitable[int]] | None = None,
        answer_s: float = 20.0,
    ) -> None:
        """``answer_s``: how long the judge may take for one answer. Envoy itself has no limit for bodies that it gives
        without waiting for answers.
        """
        self._judge = judge
        self._spool_dir = spool_dir
        self._budget = SpoolBudget(spool_bytes)
        self._log = log
        self._buffered = buffered
        self._answer_s = answer_s
        self._replaying = 0
        self._waiting: dict[str, _Waiting] = {}
        self._background: set[asyncio.Task[None]] = set()
        self.tally = Tally()

    @property
    def spool_left(self) -> int:
        """Bytes that bodies held whole can still take."""
        return self._budget.left

    def handler(self) -> grpc.GenericRpcHandler:
        """For ``server.add_generic_rpc_handlers``. Messages stay bytes: see ``messages``."""
        return grpc.method_handlers_generic_handler(
            SERVICE, {"Process": grpc.stream_stream_rpc_method_handler(self._process)}
        )

    async def _process(self, _: Any, context: Any) -> None:
        metadata = {key: value for key, value in context.invocation_metadata() if key in (WAY, SCHEME, ROLE)}
        stream = Stream(context)
        try:
            if metadata[ROLE] == "body":
                await self._judge_body(stream)
            else:
                await self._judge_request(stream, metadata[WAY], metadata[SCHEME])
        except asyncio.CancelledError:
            self._abandon(stream, "stream-reset")
            raise
        except Exception as error:
            # The adapter's edge: whatever went wrong becomes a refusal, since the stream ends with an error.
            self.tally.failed += 1
            self._log.error("datapath.judging-failed", error=type(error).__name__, exc_info=True)
            self._abandon(stream, "judge-late" if isinstance(error, TimeoutError) else "judge-failed")
            await context.abort(grpc.StatusCode.INTERNAL, "the judge failed")
        finally:
            stream.close()

    async def _judge_request(self, stream: Stream, way: str, scheme: str) -> None:
        first = await stream.read()
        if first is None:
            return
        message = ext_proc.ProcessingRequest.FromString(first)
        if message.WhichOneof("request") != "request_headers":
            raise ValueError("a stream must begin with a head")
        self.tally.requests += 1
        request = messages.request_of(message.request_headers, scheme)
        judging = stream.judging = self._judge.open(_connection(message, way), request)
        verdict = await judging.head()
        bodiless = message.request_headers.end_of_stream
        if isinstance(verdict, Inspect) and bodiless:
            verdict = await judging.piece(b"", True)
        match verdict:
            case Forward():
                stream.judging = None
                await stream.write(messages.HEAD_PASSES_HEARD if judging.heeds else messages.HEAD_PASSES)
                if judging.heeds:
                    await self._hear(stream, judging)
            case Refuse(reply):
                await self._refuse(stream, reply)
            case Inspect(hold):
                token = self._await_body(judging, hold)
                stream.judging = None
                await stream.write(messages.head_marked(token))

    async def _pieces(self, stream: Stream, judging: Judging) -> None:
        read, write, tally, early = stream.read, stream.write, self.tally, None
        while True:
            message = await read()
            if message is None:
                self._abandon(stream, "client-closed")
                return
            piece = messages.piece_of(message)
            if piece is not None:
                tally.bytes_inspected += len(piece.data)
                verdict = await judging.piece(piece.data, piece.last)
                answer, last = messages.PIECE_PASSES, piece.last
            else:
                kind = ext_proc.ProcessingRequest.FromString(message).WhichOneof("request")
                if kind == "response_headers":
                    early = _status(message)
                    stream.keep_answer()
                    continue
                if kind != "request_trailers":
                    raise ValueError("a message out of turn")
                verdict = await judging.piece(b"", True)
                answer, last = messages.TRAILERS_PASS, True
            if isinstance(verdict, Refuse):
                await self._refuse(stream, verdict.reply)
                return
            if last:
                stream.judging = None
            await write(answer)
            if last:
                if early is not None and judging.heeds:
                    await judging.answered(early)
                await stream.release_answer()
                if early is None and judging.heeds:
                    await self._hear(stream, judging)
                return

    async def _hear(self, stream: Stream, judging: Judging) -> None:
        """Tell the judge what the store answers, if it heeds that, and let the answer pass. Where none comes there is
        nothing to tell.
        """
        message = await stream.read()
        if message is None:
            return
        if judging.heeds:
            await judging.answered(_status(message))
        await stream.write(messages.ANSWER_PASSES)

    async def _judge_body(self, stream: Stream) -> None:
        first = await stream.read()
        if first is None:
            return
        message = ext_proc.ProcessingRequest.FromString(first)
        if message.WhichOneof("request") == "response_headers":
            # Envoy's own answer, or a refusal of the head, to a request that never came here: the name of its host did
            # not resolve, say. It is over, and its judgement goes by age.
            await stream.write(messages.ANSWER_PASSES)
            return
        token = messages.token_of(message.request_headers)
        waiting = self._waiting.pop(token, None)
        if waiting is None:
            # A client's own header of that name, or one that came too late: not judged, so refused.
            raise ValueError("no judgement waits for this body")
        waiting.timeout.cancel()
        stream.judging = waiting.judging
        if waiting.hold is Hold.PIECES:
            self.tally.inspected += 1
            await stream.write(messages.MARKED_HEAD_PASSES)
            await self._pieces(stream, waiting.judging)
        else:
            self.tally.held += 1
            await self._judge_whole(stream, waiting.judging)

    async def _judge_whole(self, stream: Stream, judging: Judging) -> None:
        """Judge every piece, and give head and body back only then."""
        with Spool(self._spool_dir, self._budget) as spool:
            verdict, trailers = await self._take_whole(stream, judging, spool)
            if verdict is None:
                return
            if isinstance(verdict, Refuse):
                await self._refuse(stream, verdict.reply)
                return
            stream.judging = None
            await stream.write(messages.MARKED_HEAD_PASSES)
            # The store may answer before it has all.
            hearing = asyncio.create_task(self._hear(stream, judging))
            try:
                await self._give_back(stream, spool, trailers=trailers)
                if judging.heeds:
                    await hearing
            finally:
                hearing.cancel()
                await asyncio.gather(hearing, return_exceptions=True)

    async def _take_whole(self, stream: Stream, judging: Judging, spool: Spool) -> tuple[Forward | Refuse | None, bool]:
        """The last verdict, None when the client broke off; and whether trailers ended the body."""
        while True:
            message = await stream.read()
            if message is None:
                self._abandon(stream, "client-closed")
                return None, False
            piece = messages.piece_of(message)
            trailers = piece is None
            if piece is None:
                if ext_proc.ProcessingRequest.FromString(message).WhichOneof("request") != "request_trailers":
                    raise ValueError("a message out of turn")
                piece = messages.Piece(memoryview(b""), True)
            self.tally.bytes_inspected += len(piece.data)
            try:
                await spool.add(piece.data)
            except SpoolFullError:
                self.tally.spool_full += 1
                return await judging.overflow(), trailers
            async with asyncio.timeout(self._answer_s):
                verdict = await judging.piece(piece.data, piece.last)
            if isinstance(verdict, Refuse) or piece.last:
                return verdict, trailers

    async def _give_back(self, stream: Stream, spool: Spool, *, trailers: bool) -> None:
        credit = _AHEAD
        self._replaying += 1
        try:
            for data, last in spool.pieces(_REPLAYED):
                if credit <= 0:
                    credit = await self._room()
                credit -= len(data)
                await stream.write(messages.replayed(data, last=last and not trailers))
        finally:
            self._replaying -= 1
        if trailers:
            await stream.write(messages.TRAILERS_PASS)

    async def _room(self) -> int:
        """Wait until the upstreams took what was given; how many bytes may follow. As long as Envoy does not say, there
        is no room: at once, a whole body would go into its memory.
        """
        if self._buffered is None:
            return _REPLAYED
        loop = asyncio.get_running_loop()
        until = loop.time() + _TRICKLE_S
        while loop.time() < until:
            with contextlib.suppress(OSError):
                left = _AHEAD * self._replaying - await self._buffered()
                if left >= _AHEAD // 2:  # in large steps: each look costs Envoy a walk through its figures
                    return min(left, _AHEAD)
            await asyncio.sleep(_LOOK_AGAIN_S)
        return _REPLAYED

    def _await_body(self, judging: Judging, hold: Hold) -> str:
        if len(self._waiting) >= _MAX_WAITING:
            raise RuntimeError("too many bodies wait to be judged")
        token = (PIECES_TOKEN if hold is Hold.PIECES else WHOLE_TOKEN) + secrets.token_urlsafe(24)
        loop = asyncio.get_running_loop()
        self._waiting[token] = _Waiting(judging, hold, loop.call_later(_CLAIM_WITHIN_S, self._unclaimed, token))
        return token

    def _unclaimed(self, token: str) -> None:
        waiting = self._waiting.pop(token, None)
        if waiting is not None:
            self._tell_abandoned(waiting.judging, "client-closed")

    async def _refuse(self, stream: Stream, reply: Reply) -> None:
        self.tally.refused += 1
        stream.judging = None
        await stream.write(messages.refusal(reply))

    def _abandon(self, stream: Stream, cause: str) -> None:
        judging, stream.judging = stream.judging, None
        if judging is not None:
            self._tell_abandoned(judging, cause)

    def _tell_abandoned(self, judging: Judging, cause: str) -> None:
        """In a task of its own: the stream's task may be cancelled already."""
        self.tally.abandoned += 1
        task = asyncio.get_running_loop().create_task(self._abandoned(judging, cause))
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _abandoned(self, judging: Judging, cause: str) -> None:
        try:
            await judging.abandoned(cause)
        except Exception as error:
            self._log.error("datapath.abandon-failed", error=type(error).__name__, exc_info=True)


def _status(message: bytes) -> int:
    """The status that the store answered with. Raises ``ValueError`` for a message that is no answer."""
    said = ext_proc.ProcessingRequest.FromString(message)
    if said.WhichOneof("request") != "response_headers":
        raise ValueError("a message out of turn")
    return messages.status_of(said.response_headers)


def _connection(message: ext_proc.ProcessingRequest, way: str) -> Connection:
    said: dict[str, str] = {}
    for attributes in message.attributes.values():
        for name, value in attributes.fields.items():
            said[name] = value.string_value
    return connection_of(
        way=way,
        source=said.get(f"filter_state['{SOURCE_STATE}']") or said.get("source.address", ""),
        connect=said.get(f"filter_state['{CONNECT_STATE}']", ""),
        sni=said.get("connection.requested_server_name", ""),
        local=said.get("destination.address", ""),
    )
