"""The audit for officers, piece by piece: ``audit.files`` and ``audit.read``.

The files stay the agent's alone. Group-readable ones would open the whole way to them, and every later mistake in a
mode would open more; here the kernel names the caller, and the role is asked for every piece.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Mapping
from typing import Any

from haechi.domain.errors import HaechiError
from haechi.inbound.control.calls import text
from haechi.inbound.control.peer import Peer, Role
from haechi.inbound.control.server import ControlServer, Progress


def register_records(
    server: ControlServer, listed: Callable[[], Mapping[str, int]], read: Callable[[str, int, int], bytes]
) -> None:
    """``listed`` gives names and sizes, ``read`` a piece of a file (name, offset, at most so many bytes)."""

    async def audit_files(args: dict[str, Any], peer: Peer, progress: Progress) -> dict[str, Any]:
        return {"files": dict(await asyncio.to_thread(listed))}

    async def audit_read(args: dict[str, Any], peer: Peer, progress: Progress) -> dict[str, Any]:
        piece = await asyncio.to_thread(read, text(args, "file"), _count(args, "offset"), _count(args, "most"))
        return {"data": base64.b64encode(piece).decode("ascii")}

    server.register("audit.files", audit_files, Role.OFFICER)
    server.register("audit.read", audit_read, Role.OFFICER)


def _count(args: Mapping[str, Any], name: str) -> int:
    value = args.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 62:
        raise HaechiError("control.bad-request", reason=name)
    return value
