"""One of Envoy's streams to the judge: messages in and out, the judgement that is not finished, the answer that waits.

Theory. A store may answer before it has the whole body: it refuses the head, or has seen all it wants of a form. Once
the head of its answer is with the client, Envoy can no longer put a refusal in its place: the client would get half of
the store's answer, a broken connection, and no reason. So an early answer waits until the body was judged, but not for
long: a client may wait for it before it sends the rest.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import grpc

from haechi.inbound.envoy import messages
from haechi.ports.judge import Judging

KEPT_S = 2.0
"""Seconds an early answer waits. Well below the judge's time limit, which Envoy holds against it."""


class Stream:
    """One gRPC stream. Reads belong to one task; writes may come from several."""

    __slots__ = ("_context", "_judged", "_kept", "_writing", "judging")

    def __init__(self, context: Any) -> None:
        self._context = context
        self._writing = asyncio.Lock()
        self._judged = asyncio.Event()
        self._kept: asyncio.Task[None] | None = None
        self.judging: Judging | None = None

    async def read(self) -> bytes | None:
        """The next message; None when Envoy has no more."""
        message = await self._context.read()
        return None if message is grpc.aio.EOF else message

    async def write(self, message: bytes) -> None:
        """Send one message."""
        async with self._writing:
            await self._context.write(message)

    def keep_answer(self) -> None:
        """The store answered early: its answer waits for ``release_answer``, at most ``KEPT_S``.

        Raises ``ValueError`` for a second one: a store answers once.
        """
        if self._kept is not None:
            raise ValueError("a message out of turn")
        self._kept = asyncio.get_running_loop().create_task(self._answer_in_the_end())

    async def release_answer(self) -> None:
        """The body was judged: an answer that still waits may go. Returns when it went."""
        self._judged.set()
        if self._kept is not None:
            await self._kept

    def close(self) -> None:
        """Nothing more is written. An answer that waited is dropped by Envoy, with the refusal or the error it got."""
        if self._kept is not None:
            self._kept.cancel()

    async def _answer_in_the_end(self) -> None:
        """The one place that passes the answer on, so that it goes once however verdict and time meet."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(KEPT_S):
                await self._judged.wait()
        await self.write(messages.ANSWER_PASSES)
