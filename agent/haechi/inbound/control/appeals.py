"""Calls about appeals: ``appeals.ask|answer|list|end``. Nothing is decided here."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from collections.abc import Callable
from typing import Any

from haechi.app.appealing import AnswerAppeal, AskForRelease
from haechi.domain.errors import HaechiError
from haechi.inbound.control.calls import HOUR, files, text
from haechi.inbound.control.peer import Authorise, Peer, Role
from haechi.inbound.control.protocol import MAX_LINE
from haechi.inbound.control.server import ControlServer, Progress
from haechi.inbound.control.turns import Turns


def register_appeals(
    server: ControlServer,
    ask: AskForRelease,
    answer: AnswerAppeal,
    listed: Callable[[str | None], list[dict[str, Any]]],
    authorise: Authorise,
    turns: Turns,
) -> None:
    """Engineers ask, and hand over what an officer signed: the signature permits it, not who calls. Officers see all,
    and take back. ``listed`` blocks. ``turns`` are of calls that read people's files, which may lie on something slow:
    they keep nobody from the list.
    """
    listing = Turns()

    async def ask_for(args: dict[str, Any], peer: Peer, progress: Progress) -> dict[str, Any]:
        path, decision, reason = text(args, "path"), text(args, "id"), text(args, "reason")
        files(peer, 1)

        async def work(opened: tuple[int, ...]) -> dict[str, Any]:
            return {"request": await ask(opened[0], path, decision, peer.uid, peer.user, reason)}

        return await turns.take(peer, work)

    async def hand_over(args: dict[str, Any], peer: Peer, progress: Progress) -> dict[str, Any]:
        files(peer, 1)
        path = text(args, "path")
        try:
            release = base64.b64decode(text(args, "release"), validate=True)
        except binascii.Error as error:
            raise HaechiError("control.bad-request", reason="release") from error

        async def work(opened: tuple[int, ...]) -> dict[str, Any]:
            return dict(await answer(opened[0], path, release, peer.user))

        return await turns.take(peer, work)

    async def appeals(args: dict[str, Any], peer: Peer, progress: Progress) -> dict[str, Any]:
        every = Role.OFFICER in authorise(peer)

        async def work(opened: tuple[int, ...]) -> dict[str, Any]:
            return {"appeals": _room(await asyncio.to_thread(listed, None if every else peer.user))}

        return await listing.take(peer, work)

    async def end(args: dict[str, Any], peer: Peer, progress: Progress) -> dict[str, Any]:
        await answer.end(text(args, "digest"), peer.user)
        return {"digest": text(args, "digest")}

    server.register("appeals.ask", ask_for, Role.ENGINEER, timeout=HOUR)
    server.register("appeals.answer", hand_over, Role.ENGINEER, timeout=HOUR)
    server.register("appeals.list", appeals, Role.ENGINEER)
    server.register("appeals.end", end, Role.OFFICER)


def _room(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The first of them, as many as one answer has room for."""
    kept: list[dict[str, Any]] = []
    used = 0
    for row in rows:
        used += len(json.dumps(row)) + 1
        if used > MAX_LINE // 2:
            break
        kept.append(row)
    return kept
