"""One of Envoy's streams to the judge: messages in and out, the judgement that is not finished, the answer that waits.

Theory. A store may answer before it has the whole body: it refuses the head, or has seen all it wants of a form. Once
the head of its answer is with the client, Envoy can no longer put a refusal in its place: the client would get half of
the store's answer, a broken connection, and no reason. So an early answer waits until the body was judged, but not for
long: a client may wait for it before it sends the rest.
"""

from __future__ import annotations

import asyncio
from typing import Any

import grpc

from haechi.inbound.envoy import messages
from haechi.ports.judge import Judging

KEPT_S = 2.0
"""Seconds an early answer waits. Well below the judge's time limit, which Envoy holds against it."""


class Stream:
    """One gRPC stream. Reads belong to one task; writes may come from several."""

    __slots__ = ("_context", "_kept", "_writing", "judging")

    def __init__(self, context: Any) -> None:
        self._context = context
        self._writing = asyncio.Lock()
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
        """The store answered early: its answer waits for ``release_answer``, at most ``KEPT_S``."""
        self._kept = asyncio.get_running_loop().create_task(self._answer_in_the_end())

    async def release_answer(self) -> None:
        """The body was judged: an answer that still waits may go."""
        if self._kept is not None and self._kept.cancel():
            await self.write(messages.ANSWER_PASSES)

    def close(self) -> None:
        """Nothing more is written. An answer that waited is dropped by Envoy, with the refusal or the error it got."""
        if self._kept is not None:
            self._kept.cancel()

    async def _answer_in_the_end(self) -> None:
        await asyncio.sleep(KEPT_S)
        await self.write(messages.ANSWER_PASSES)
