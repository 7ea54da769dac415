"""Calls about stored objects and what became of their containers: ``objects.list``, ``drift.list|now|accept``.

A person sees the objects that nobody else wrote to; officers see all. Nothing is decided here.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from haechi.app.drift_told import DriftTold, object_told
from haechi.app.drifting import WatchDrift
from haechi.domain.errors import HaechiError
from haechi.inbound.control.calls import HOUR, lang, listed, optional, text
from haechi.inbound.control.peer import Authorise, Peer, Role
from haechi.inbound.control.protocol import MAX_LINE
from haechi.inbound.control.server import ControlServer, Progress
from haechi.inbound.control.turns import Turns
from haechi.ports.objects import START, Position, StoredObjects

PAGE: Final = 200
COPIES: Final = 32
"""Ciphertexts of one content that are looked for with it."""


def register_objects(
    server: ControlServer,
    objects: StoredObjects,
    copies: Callable[[str, int], Sequence[str]],
    authorise: Authorise,
    turns: Turns,
) -> None:
    """``copies`` gives the ciphertexts that were made of a content, at most so many; it blocks, as ``objects`` does."""

    async def objects_list(args: dict[str, Any], peer: Peer, progress: Progress) -> dict[str, Any]:
        after, container, digest = _position(args), optional(args, "container") or None, optional(args, "digest")
        user = None if Role.OFFICER in authorise(peer) else peer.user

        def page() -> dict[str, Any]:
            digests = (digest, *copies(digest, COPIES)) if digest else ()
            found = objects.objects(after, PAGE, container=container, digests=digests, user=user)
            rows: list[dict[str, Any]] = []
            used = 0
            for one in found:
                row = object_told(one)
                used += len(json.dumps(row)) + 1
                if used > MAX_LINE // 2 and rows:
                    break
                rows.append(row)
            whole = len(rows) == len(found) < PAGE
            return {"objects": rows, "next": None if whole else list(found[len(rows) - 1].position)}

        async def work(opened: tuple[int, ...]) -> dict[str, Any]:
            return await asyncio.to_thread(page)

        return await turns.take(peer, work)

    server.register("objects.list", objects_list, Role.ENGINEER)


def register_drift(
    server: ControlServer, watch: WatchDrift, told: DriftTold, authorise: Authorise, turns: Turns
) -> None:
    """``drift.now`` reads every container again and may take long; its progress has ``{"done", "total"}``."""

    async def drift_list(args: dict[str, Any], peer: Peer, progress: Progress) -> dict[str, Any]:
        user = None if Role.OFFICER in authorise(peer) else peer.user
        after, every = optional(args, "after"), args.get("every") is True

        async def work(opened: tuple[int, ...]) -> dict[str, Any]:
            return await told(after, user, lang(args), every=every) | {"age_seconds": watch.age}

        return await turns.take(peer, work)

    async def drift_now(args: dict[str, Any], peer: Peer, progress: Progress) -> dict[str, Any]:
        async def report(found: Mapping[str, Any], done: int, total: int) -> None:
            await progress({"container": dict(found), "done": done, "total": total})

        return await watch(report)

    async def drift_accept(args: dict[str, Any], peer: Peer, progress: Progress) -> dict[str, Any]:
        return (await watch.accept(text(args, "id"), peer.user, text(args, "reason"))).as_json()

    server.register("drift.list", drift_list, Role.ENGINEER)
    server.register("drift.now", drift_now, Role.OFFICER, timeout=HOUR)
    server.register("drift.accept", drift_accept, Role.OFFICER, timeout=HOUR)


def _position(args: Mapping[str, Any]) -> Position:
    """Where the list goes on. Raises ``control.bad-request``."""
    after = listed(args, "after")
    if not after:
        return START
    if len(after) != 3 or not all(isinstance(one, str) for one in after):
        raise HaechiError("control.bad-request", reason="after")
    return after[0], after[1], after[2]
