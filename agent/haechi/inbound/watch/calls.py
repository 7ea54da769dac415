"""The calls of the control socket that concern tags. Each runs in a worker thread, so that judging goes on meanwhile.

``tags.index`` and ``tags.list`` are for every local user: a tag only tightens. ``tags.release`` needs no more, because
the signed release is what permits it. Who tags or releases a file hands it over open: the agent reads what its callers
may not, and an open descriptor is the kernel's own word that this one may. ``tags.list`` tells an engineer of
files that he could read, an officer of all. Arguments are checked here: they come from another process.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import fcntl
import os
import stat
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from haechi.app.tagging import Released, Tagging, TagReport
from haechi.domain.errors import HaechiError
from haechi.domain.tags import Tag
from haechi.inbound.control.peer import Authorise, Peer, Role
from haechi.inbound.watch.rights import Rights
from haechi.ports.protection import TaggedFile, Unreadable
from haechi.ports.tags import Problem

Named = TypeVar("Named", TaggedFile, Unreadable)
Progress = Callable[[dict[str, Any]], Awaitable[None]]
Recorder = Callable[[Released, Peer], None]
"""Makes a loosening durable in the audit. It is carried out only when this returned."""
Tagged = Callable[[TagReport, Peer], Awaitable[None]]
"""Records what was tagged by hand."""

O_PATH = 0o10000000
"""Opened so, a descriptor proves nothing: it needs no right to read."""
MOST_LISTED = 10_000


class TagCalls:
    """Handlers to register: ``tags.index``, ``tags.list``, ``tags.release``."""

    def __init__(
        self,
        tagging: Tagging,
        record: Recorder,
        tagged: Tagged,
        authorise: Authorise,
        cover: Callable[[Sequence[str]], Mapping[str, str]] = lambda names: {},
    ) -> None:
        """``record`` is called with every tag that was loosened, ``tagged`` with the files that were tagged. ``cover``
        has the folders of names watched from now on, and names those that cannot be.
        """
        self._cover = cover
        self._tagging = tagging
        self._record = record
        self._tagged = tagged
        self._authorise = authorise

    async def index(self, args: dict[str, Any], peer: Peer, progress: Progress) -> dict[str, Any]:
        """``{paths, technology, grade, funding, owner}`` and each file open → ``{files, unreadable, problems}``."""
        paths = args.get("paths")
        if not isinstance(paths, list) or not paths:
            raise HaechiError("tag.bad-request", field="paths")
        if not all(isinstance(path, str) and path.startswith("/") and "\0" not in path for path in paths):
            raise HaechiError("tag.bad-request", field="paths")
        words = [_text(args, name, default) for name, default in _WORDS]
        handed_over = _handed_over(paths, peer.files)
        report = await asyncio.to_thread(self._tagging.tag, paths, *words)
        unwatched = await asyncio.to_thread(self._cover, [file.path for file in report.files])
        # Another file may have taken the name since: what it holds is not told.
        files = tuple(file for file in report.files if (file.stamp.device, file.stamp.inode) in handed_over)
        report = replace(report, files=files)
        await self._tagged(report, peer)
        return {
            "files": [file_form(file) for file in report.files[:MOST_LISTED]],
            "count": len(report.files),
            "unreadable": [unreadable_form(file) for file in report.unreadable],
            "problems": [
                *(problem_form(problem) for problem in report.problems),
                *({"code": "tag.not-watched", "params": {"path": at, "cause": why}} for at, why in unwatched.items()),
            ],
        }

    async def list(self, args: dict[str, Any], peer: Peer, progress: Progress) -> dict[str, Any]:
        """``{below, unreadable, offset}`` → ``{files, count}`` or ``{unreadable}``; at most 10,000 at a time."""
        if args.get("unreadable") is True:
            found = await asyncio.to_thread(self._told, self._tagging.unreadable, peer)
            return {"unreadable": [unreadable_form(file) for file in found]}
        offset = args.get("offset", 0)
        if not isinstance(offset, int) or offset < 0:
            raise HaechiError("tag.bad-request", field="offset")
        below = _text(args, "below", "/")
        files = await asyncio.to_thread(self._told, lambda: self._tagging.listed(below), peer)
        return {"files": [file_form(file) for file in files[offset : offset + MOST_LISTED]], "count": len(files)}

    def _told(self, find: Callable[[], Sequence[Named]], peer: Peer) -> Sequence[Named]:
        """Those that the caller may know of."""
        found = find()
        if Role.OFFICER in self._authorise(peer):
            return found
        rights = Rights(peer)
        return [file for file in found if rights.may_read(file.path)]

    async def release(self, args: dict[str, Any], peer: Peer, progress: Progress) -> dict[str, Any]:
        """``{path, release (base64), action, technology?, grade?, funding?}`` and the file open → ``{path, digest,
        before, after, release}``.
        """
        try:
            release = base64.b64decode(_text(args, "release"), validate=True)
        except binascii.Error as error:
            raise HaechiError("tag.bad-request", field="release") from error
        action = _text(args, "action")
        if action not in ("untag", "lower"):
            raise HaechiError("tag.bad-request", field="action")
        _handed_over([_text(args, "path")], peer.files)
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


def _handed_over(paths: Sequence[str], descriptors: Sequence[int]) -> set[tuple[int, int]]:
    """Device and inode of each file, open for reading and still under its name.

    Raises ``HaechiError``: ``tag.not-handed-over``, ``tag.other-file``.
    """
    if len(paths) != len(descriptors):
        raise HaechiError("tag.not-handed-over", path=paths[-1])
    found: set[tuple[int, int]] = set()
    for path, descriptor in zip(paths, descriptors, strict=True):
        opened, flags = os.fstat(descriptor), fcntl.fcntl(descriptor, fcntl.F_GETFL)
        readable = not flags & O_PATH and flags & os.O_ACCMODE != os.O_WRONLY
        if not readable or not stat.S_ISREG(opened.st_mode):
            raise HaechiError("tag.not-handed-over", path=path)
        try:
            named = os.stat(path)  # noqa: PTH116 - beside the descriptor's
        except (OSError, ValueError) as error:  # no file has a name that no bytes spell
            raise HaechiError("tag.other-file", path=path) from error
        if not os.path.samestat(opened, named):
            raise HaechiError("tag.other-file", path=path)
        found.add((opened.st_dev, opened.st_ino))
    return found


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
