"""The calls of the control socket that concern tags. Each runs in a worker thread, so that judging goes on meanwhile.

``tags.index`` and ``tags.list`` are for every local user: a tag only tightens. ``tags.release`` needs no more,
because the signed
release is what permits it. Arguments are checked here: they come from another process.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from haechi.app.tagging import Released, Tagging
from haechi.domain.errors import HaechiError
from haechi.domain.tags import Tag
from haechi.inbound.control.peer import Peer
from haechi.ports.protection import TaggedFile, Unreadable
from haechi.ports.tags import Problem

Progress = Callable[[dict[str, Any]], Awaitable[None]]
Recorder = Callable[[Released, Peer], None]
"""Makes a loosening durable in the audit. It is carried out only when this returned."""

MOST_PATHS = 10_000
MOST_LISTED = 10_000


class TagCalls:
    """Handlers to register: ``tags.index``, ``tags.list``, ``tags.release``."""

    def __init__(self, tagging: Tagging, record: Recorder) -> None:
        """``record`` is called with every tag that was loosened."""
        self._tagging = tagging
        self._record = record

    async def index(self, args: dict[str, Any], peer: Peer, progress: Progress) -> dict[str, Any]:
        """``{paths, technology, grade, funding, owner}`` → ``{files, unreadable, problems}``."""
        paths = args.get("paths")
        if not isinstance(paths, list) or not 0 < len(paths) <= MOST_PATHS:
            raise HaechiError("tag.bad-request", field="paths")
        if not all(isinstance(path, str) and path.startswith("/") and "\0" not in path for path in paths):
            raise HaechiError("tag.bad-request", field="paths")
        words = [_text(args, name, default) for name, default in _WORDS]
        report = await asyncio.to_thread(self._tagging.tag, paths, *words)
        return {
            "files": [file_form(file) for file in report.files[:MOST_LISTED]],
            "count": len(report.files),
            "unreadable": [unreadable_form(file) for file in report.unreadable],
            "problems": [problem_form(problem) for problem in report.problems],
        }

    async def list(self, args: dict[str, Any], peer: Peer, progress: Progress) -> dict[str, Any]:
        """``{below, unreadable, offset}`` → ``{files, count}`` or ``{unreadable}``; at most 10,000 at a time."""
        if args.get("unreadable") is True:
            found = await asyncio.to_thread(self._tagging.unreadable)
            return {"unreadable": [unreadable_form(file) for file in found]}
        offset = args.get("offset", 0)
        if not isinstance(offset, int) or offset < 0:
            raise HaechiError("tag.bad-request", field="offset")
        files = await asyncio.to_thread(self._tagging.listed, _text(args, "below", "/"))
        return {"files": [file_form(file) for file in files[offset : offset + MOST_LISTED]], "count": len(files)}

    async def release(self, args: dict[str, Any], peer: Peer, progress: Progress) -> dict[str, Any]:
        """``{path, release (base64), action, technology?, grade?, funding?}`` → ``{path, before, after, release}``."""
        try:
            release = base64.b64decode(_text(args, "release"), validate=True)
        except binascii.Error as error:
            raise HaechiError("tag.bad-request", field="release") from error
        action = _text(args, "action")
        if action not in ("untag", "lower"):
            raise HaechiError("tag.bad-request", field="action")
        path, to = _text(args, "path"), self._lowered_to(args) if action == "lower" else None
        done = await asyncio.to_thread(
            self._tagging.release, path, release, action, to, lambda released: self._record(released, peer)
        )
        return {
            "path": done.path,
            "digest": done.digest,
            "before": [dict(tag.as_json()) for tag in done.before],
            "after": [dict(tag.as_json()) for tag in done.after],
            "release": done.release.as_json(),
        }

    def _lowered_to(self, args: Mapping[str, Any]) -> Tag:
        return self._tagging.checked(*(_text(args, name, default) for name, default in _WORDS[:3]))


_WORDS: tuple[tuple[str, str | None], ...] = (
    ("technology", None),
    ("grade", None),
    ("funding", "unknown"),
    ("owner", ""),
)


def _text(args: Mapping[str, Any], name: str, default: str | None = None) -> str:
    value = args.get(name, default)
    if not isinstance(value, str):
        raise HaechiError("tag.bad-request", field=name)
    return value


def file_form(file: TaggedFile) -> dict[str, Any]:
    """A tagged file for ``--json``."""
    return {
        "path": file.path,
        "size": file.stamp.size,
        "digest": file.digest,
        "tags": [dict(tag.as_json()) for tag in file.tags],
    }


def unreadable_form(file: Unreadable) -> dict[str, Any]:
    """A file that could not be read, for ``--json``."""
    return {"path": file.path, "cause": file.cause, "tags": [dict(tag.as_json()) for tag in file.tags]}


def problem_form(problem: Problem) -> dict[str, Any]:
    """A problem for ``--json``; its words are looked up where they are shown."""
    return {"code": problem.code, "params": dict(problem.params)}
