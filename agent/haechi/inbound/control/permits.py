"""Calls about permits: ``permits.request|break-glass|use|justify|list|end``. Nothing is decided here."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from haechi.app.asking import JustifyUpload, RequestException
from haechi.app.permitting import Permits
from haechi.inbound.control.calls import HOUR, files, intended, text
from haechi.inbound.control.peer import Authorise, Peer, Role
from haechi.inbound.control.server import ControlServer, Progress
from haechi.inbound.control.turns import Turns

MOST_LISTED = 200
"""Permits in one answer, which has bounds."""


def register_permits(
    server: ControlServer,
    request: RequestException,
    justify: JustifyUpload,
    permits: Permits,
    authorise: Authorise,
    turns: Turns,
) -> None:
    """What engineers ask; officers list everybody's. ``turns`` as of ``register_appeals``."""
    justifying = Turns()

    async def ask(args: dict[str, Any], peer: Peer, progress: Progress) -> dict[str, Any]:
        (handed,) = files(peer, 1)
        upload, reason = intended(handed, args, peer), text(args, "reason")

        async def report(done: int, total: int) -> None:
            await progress({"done": done, "total": total, "unit": "bytes"})

        async def work(opened: tuple[int, ...]) -> dict[str, Any]:
            made = await request(replace(upload, source=opened[0]), peer.user, reason, report)
            return {"statement": made}

        return await turns.take(peer, work)

    async def break_glass(args: dict[str, Any], peer: Peer, progress: Progress) -> dict[str, Any]:
        return {"statement": request.break_glass(peer.user, text(args, "reason"))}

    async def use(args: dict[str, Any], peer: Peer, progress: Progress) -> dict[str, Any]:
        return (await permits.arm_document(text(args, "document").encode(), peer.user)).as_json()

    async def say_why(args: dict[str, Any], peer: Peer, progress: Progress) -> dict[str, Any]:
        decision, reason = text(args, "id"), text(args, "reason")

        async def work(opened: tuple[int, ...]) -> dict[str, Any]:
            return (await justify(decision, peer.uid, peer.user, reason)).as_json()

        return await justifying.take(peer, work)

    async def listed(args: dict[str, Any], peer: Peer, progress: Progress) -> dict[str, Any]:
        every = Role.OFFICER in authorise(peer)
        found = [one for one in permits.armed() if every or one.user == peer.user]
        return {"permits": [one.as_json() for one in found[:MOST_LISTED]], "more": max(0, len(found) - MOST_LISTED)}

    async def end(args: dict[str, Any], peer: Peer, progress: Progress) -> dict[str, Any]:
        every = Role.OFFICER in authorise(peer)
        return (await permits.end(text(args, "id"), None if every else peer.user)).as_json()

    server.register("permits.request", ask, Role.ENGINEER, timeout=HOUR)
    server.register("permits.break-glass", break_glass, Role.ENGINEER)
    server.register("permits.use", use, Role.ENGINEER)
    server.register("permits.justify", say_why, Role.ENGINEER)
    server.register("permits.list", listed, Role.ENGINEER)
    server.register("permits.end", end, Role.ENGINEER)
