"""From a call's arguments to a use case, and back to JSON. One small function a call; nothing is decided here."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
from collections.abc import Mapping, Sequence
from typing import Any

from haechi.app.checking import CheckFile, Intended
from haechi.app.explaining import ExplainDecision
from haechi.app.proving import Ending, ProveTools
from haechi.app.sealing import SealFile
from haechi.app.status import ReportStatus
from haechi.app.unsealing import UnsealFile
from haechi.domain.actor import Actor, Certainty
from haechi.domain.errors import HaechiError
from haechi.domain.facts import Unknown
from haechi.domain.tags import Tag, is_word
from haechi.inbound.control.peer import Authorise, Peer, Role
from haechi.inbound.control.server import ControlServer, Progress

HOUR = 3600.0


def register_sealing(server: ControlServer, seal: SealFile, unseal: UnsealFile) -> None:
    """``seal.file`` (source, target), ``seal.tags`` (sealed file), ``seal.unsealed`` (plain file)."""

    async def seal_file(args: dict[str, Any], peer: Peer, progress: Progress) -> dict[str, Any]:
        source, target = files(peer, 2)

        async def report(done: int, total: int) -> None:
            await progress({"done": done, "total": total, "unit": "bytes"})

        made = await seal(source, target, text(args, "path"), peer.user, report)
        return {
            "digest": made.digest,
            "size": made.size,
            "tags": [tag.as_json() for tag in made.tags],
            "recipients": list(made.recipients),
        }

    async def seal_tags(args: dict[str, Any], peer: Peer, progress: Progress) -> dict[str, Any]:
        (source,) = files(peer, 1)
        return {"tags": [tag.as_json() for tag in await unseal.tags(source, text(args, "path"))]}

    async def unsealed(args: dict[str, Any], peer: Peer, progress: Progress) -> dict[str, Any]:
        (plain,) = files(peer, 1)
        tags = [tag_from(form) for form in listed(args, "tags")]
        return {"attributes": await unseal.unsealed(plain, text(args, "path"), tags, peer.user)}

    server.register("seal.file", seal_file, Role.ENGINEER, timeout=HOUR)
    server.register("seal.tags", seal_tags, Role.ENGINEER, timeout=HOUR)
    server.register("seal.unsealed", unsealed, Role.ENGINEER, timeout=HOUR)


def register_answers(
    server: ControlServer,
    *,
    check: CheckFile,
    explain: ExplainDecision,
    status: ReportStatus,
    prove: ProveTools,
    authorise: Authorise,
) -> None:
    """``judge.check`` (takes the file), ``audit.explain``, ``agent.status``, ``doctor.prepare|conclude|end``."""

    async def judge_check(args: dict[str, Any], peer: Peer, progress: Progress) -> dict[str, Any]:
        (source,) = files(peer, 1)
        return await check(intended(source, args, peer), lang(args))

    async def audit_explain(args: dict[str, Any], peer: Peer, progress: Progress) -> dict[str, Any]:
        every = Role.OFFICER in authorise(peer)
        return await explain(text(args, "id"), None if every else peer.uid, lang(args))

    async def agent_status(args: dict[str, Any], peer: Peer, progress: Progress) -> dict[str, Any]:
        return {**await status(), "self_test": prove.self_tests.last()}

    async def doctor_prepare(args: dict[str, Any], peer: Peer, progress: Progress) -> dict[str, Any]:
        return await prove.prepare()

    async def doctor_conclude(args: dict[str, Any], peer: Peer, progress: Progress) -> dict[str, Any]:
        at = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        found = await prove.conclude(text(args, "token"), endings(args), at, peer.user, part=args.get("part") is True)
        return {"tools": {name: dataclasses.asdict(one) for name, one in found.items()}}

    async def doctor_end(args: dict[str, Any], peer: Peer, progress: Progress) -> dict[str, Any]:
        await prove.end(text(args, "token"))
        return {}

    server.register("judge.check", judge_check, Role.ENGINEER, timeout=HOUR)
    server.register("audit.explain", audit_explain, Role.ENGINEER)
    server.register("agent.status", agent_status, Role.ANYONE)
    server.register("doctor.prepare", doctor_prepare, Role.ENGINEER)
    server.register("doctor.conclude", doctor_conclude, Role.ENGINEER)
    server.register("doctor.end", doctor_end, Role.ENGINEER)


def files(peer: Peer, count: int) -> tuple[int, ...]:
    """Exactly ``count`` descriptors. Raises ``control.bad-request``."""
    if len(peer.files) != count:
        raise HaechiError("control.bad-request", reason="files")
    return peer.files


def text(args: Mapping[str, Any], name: str) -> str:
    """An argument that is text and not empty. Raises ``control.bad-request``."""
    value = args.get(name)
    if not isinstance(value, str) or not value or len(value) > 65536:
        raise HaechiError("control.bad-request", reason=name)
    return value


def optional(args: Mapping[str, Any], name: str) -> str:
    """An argument that is text, or empty where it is missing."""
    return text(args, name) if args.get(name) else ""


def lang(args: Mapping[str, Any]) -> str:
    """The caller's language; the agent's own locale says nothing about who asks."""
    return "ko" if args.get("lang") == "ko" else "en"


def listed(args: Mapping[str, Any], name: str) -> Sequence[Any]:
    """An argument that is a list. Raises ``control.bad-request``."""
    value = args.get(name, [])
    if not isinstance(value, list) or len(value) > 1024:
        raise HaechiError("control.bad-request", reason=name)
    return value


def endings(args: Mapping[str, Any]) -> Mapping[str, Ending]:
    """How each tool ended: few tools, short names. Raises ``control.bad-request``."""
    found = args.get("tools")
    if not isinstance(found, dict) or len(found) > 64:
        raise HaechiError("control.bad-request", reason="tools")
    if not all(isinstance(name, str) and re.fullmatch(r"[a-z0-9]{1,16}", name) for name in found):
        raise HaechiError("control.bad-request", reason="tools")
    try:
        return {name: Ending(ended) for name, ended in found.items()}
    except ValueError as error:
        raise HaechiError("control.bad-request", reason="tools") from error


def tag_from(form: object) -> Tag:
    """A tag as a caller says it. Raises ``control.bad-request``."""
    try:
        tag = Tag.from_json(form)
    except ValueError as error:
        raise HaechiError("control.bad-request", reason="tags") from error
    owner = form.get("owner") if isinstance(form, Mapping) else None
    if not is_word(tag.technology) or not is_word(owner or ""):
        raise HaechiError("control.bad-request", reason="tags")
    return tag


def intended(source: int, args: Mapping[str, Any], peer: Peer) -> Intended:
    """What a caller is about to upload, from ``path``, ``url``, ``endpoint`` and the open file ``source``."""
    return Intended(source, text(args, "path"), text(args, "url"), optional(args, "endpoint"), actor_of(peer))


def actor_of(peer: Peer) -> Actor:
    """The person who asks, as an actor."""
    left_out = Unknown("asked-not-uploading")
    return Actor(peer.user, peer.uid, peer.pid, left_out, left_out, "control-socket", Certainty.USER_ONLY)
