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
import dataclasses
import fcntl
import json
import os
import stat
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, TypeVar

from haechi.app.tagging import Released, Tagging, TagReport
from haechi.domain.errors import HaechiError
from haechi.domain.tags import Tag
from haechi.inbound.control.peer import Authorise, Peer, Role
from haechi.inbound.control.protocol import MAX_LINE
from haechi.inbound.watch.rights import Rights
from haechi.ports.protection import TaggedFile, Unreadable
from haechi.ports.tags import Problem

Named = TypeVar("Named", TaggedFile, Unreadable)
Progress = Callable[[dict[str, Any]], Awaitable[None]]
Recorder = Callable[[Released, Peer], None]
"""Makes a loosening durable in the audit. It is carried out only when this returned."""
Refused = Callable[[str, HaechiError, Peer], Awaitable[None]]
"""Records that a release for the file of this name loosened nothing."""
Tagged = Callable[[TagReport, Peer], Awaitable[None]]
"""Records what was tagged by hand."""

O_PATH = 0o10000000
"""Opened so, a descriptor proves nothing: it needs no right to read."""
PAGE: Final = MAX_LINE // 2
"""Bytes of files that one answer lists; a name alone may take 24 KiB of it, and the rest of the line needs room."""


class TagCalls:
    """Handlers to register: ``tags.index``, ``tags.list``, ``tags.release``, ``tags.catalogue``."""

    def __init__(
        self,
        tagging: Tagging,
        record: Recorder,
        tagged: Tagged,
        refused: Refused,
        authorise: Authorise,
        cover: Callable[[Sequence[str]], Mapping[str, str]] = lambda names: {},
        problems: Callable[[], Sequence[Problem]] = tuple,
    ) -> None:
        """``record`` is called with every tag that was loosened, ``refused`` with every release that loosened nothing,
        ``tagged`` with the files that were tagged. ``cover`` has the folders of names watched from now on, and names
        those that cannot be. ``problems`` gives what was not understood.
        """
        self._cover = cover
        self._problems = problems
        self._tagging = tagging
        self._record = record
        self._tagged = tagged
        self._refused = refused
        self._authorise = authorise

    async def catalogue(self, args: dict[str, Any], peer: Peer, progress: Progress) -> dict[str, Any]:
        """``{}`` → ``{technologies, as_of}``: what tags may name by the policies in force."""
        known = self._tagging.catalogue
        return {"technologies": [dataclasses.asdict(one) for one in known.all()], "as_of": known.as_of}

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
        names = [file.path for file in report.files]
        # Another file may have taken the name since: what it holds is not told.
        files = tuple(file for file in report.files if (file.stamp.device, file.stamp.inode) in handed_over)
        report = replace(report, files=files)
        await self._tagged(report, peer)
        unwatched = await asyncio.to_thread(self._cover, names)
        return {
            "files": [file_form(file) for file in report.files],
            "count": len(report.files),
            "unreadable": [unreadable_form(file) for file in report.unreadable],
            "problems": [
                *(problem_form(problem) for problem in report.problems),
                *({"code": "tag.not-watched", "params": {"path": at, "cause": why}} for at, why in unwatched.items()),
            ],
        }

    async def list(self, args: dict[str, Any], peer: Peer, progress: Progress) -> dict[str, Any]:
        """``{below, unreadable, after}`` → ``{files, more, problems}`` or ``{unreadable, more}``: by path, behind the
        path ``after``, as many as one answer has room for. ``problems`` come with the first.
        """
        below, after = _text(args, "below", "/"), _text(args, "after", "")
        if args.get("unreadable") is True:
            told = self._told(self._tagging.unreadable, peer, after)
            unreadable, more = await asyncio.to_thread(_page, told, unreadable_form)
            return {"unreadable": unreadable, "more": more}
        told_files = self._told(lambda: self._tagging.listed(below), peer, after)
        files, more = await asyncio.to_thread(_page, told_files, file_form)
        every = Role.OFFICER in self._authorise(peer)
        return {
            "files": files,
            "more": more,
            "problems": [] if after else _near(self._problems(), below, every, Rights(peer)),
        }

    def _told(self, find: Callable[[], Sequence[Named]], peer: Peer, after: str) -> Iterator[Named]:
        """Those that the caller may know of. Asked one by one: what is on a later page costs nothing now."""
        every = Role.OFFICER in self._authorise(peer)
        rights = Rights(peer)
        for file in sorted(find(), key=lambda file: file.path):
            if file.path > after and (every or rights.may_read(file.path)):
                yield file

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
        try:
            done = await asyncio.to_thread(
                self._tagging.release, path, release, action, to, lambda released: self._record(released, peer)
            )
        except HaechiError as error:
            await self._refused(path, error, peer)
            raise
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


def _near(problems: Sequence[Problem], below: str, every: bool, rights: Rights) -> list[dict[str, Any]]:
    """What was not understood at or below a folder, or in rules above it, as far as the caller may read it."""
    told: list[dict[str, Any]] = []
    used = 0
    for problem in problems:
        where = str(problem.params.get("where", ""))
        folder = where.rpartition("/")[0]
        near = f"{where}/".startswith(f"{below.rstrip('/')}/") or f"{below}/".startswith(f"{folder}/")
        form = problem_form(problem)
        used += len(json.dumps(form))
        if near and used < PAGE // 2 and (every or rights.may_read(where)):
            told.append(form)
    return told


def _page(files: Iterable[Named], form: Callable[[Named], dict[str, Any]]) -> tuple[list[dict[str, Any]], bool]:
    """The forms that one answer has room for, and whether there are more. One there always is."""
    page: list[dict[str, Any]] = []
    used = 0
    for file in files:
        told = form(file)
        used += len(json.dumps(told)) + 1
        if page and used > PAGE:
            return page, True
        page.append(told)
    return page, False


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
