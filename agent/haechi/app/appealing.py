"""Appeals: a person says that what was refused is nothing protected, and an officer's signature answers.

Theory. A false positive is a content some of whose blocks are a protected file's too, though it is nothing protected: a
template, a standard header. What the officer signs is *the content with this digest is not protected*. Its blocks then
count for nobody, so it passes, and so do its excerpts and later versions as far as they consist of them; what is the
protected file's own stays protected, and the file whole. A content that *is* the protected one, or holds the greater
part of it, is no false positive: that takes ``haechi untag``. Asking lets nothing go, and an answer is on record before
it counts.

The index alone knows what was cleared. Where the index is lost, so is the answer: that only tightens. What was taken
back is known from the audit, so that neither a lost index nor one that was put back makes an old release good again:
whoever wants the content cleared once more needs a release that was signed after the answer was taken back.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from haechi.app.answers import Course
from haechi.app.asking import reason_of
from haechi.app.explaining import Records
from haechi.app.sealing import inspected
from haechi.domain.content import Content, Match, MatchHow
from haechi.domain.decision import Effect
from haechi.domain.errors import HaechiError
from haechi.domain.facts import JSON
from haechi.ports.audit import AuditLog
from haechi.ports.clearing import ClearedContents
from haechi.ports.clock import Clock
from haechi.ports.index import ContentIndex
from haechi.ports.protection import BodyReader, Fingerprints
from haechi.ports.releases import Release, ReleaseAction, ReleaseVerifier

KIND = "appeal"
"""Of the records about appeals."""
SCHEMA = "haechi.record/1"
MOST_BYTES: Final = 2 << 30
"""Of a file that is appealed for: more would have more blocks than are remembered. This project's choice."""
MOST_NAMED: Final = 8
"""Protected files that a record names; the best matches."""
MOST_LISTED: Final = 100
MOST_ANSWERS: Final = 2_000
"""The newest that are held beside what is listed: more than can count at once."""


@dataclass(frozen=True, slots=True)
class Examine:
    """Whether a file can be a false positive at all."""

    index: ContentIndex
    reader: BodyReader
    cleared: ClearedContents

    async def __call__(self, source: int, path: str) -> tuple[Content, Fingerprints]:
        """What is found in an open file, and its blocks.

        Raises ``HaechiError``: ``appeal.too-large``, ``appeal.changed``, ``appeal.protected``, ``appeal.packed``,
        ``seal.not-a-file``, ``seal.io``, ``index.…``.
        """
        name = os.path.basename(path)  # noqa: PTH119 - a name for people, not a path to open
        if os.fstat(source).st_size > MOST_BYTES:
            raise HaechiError("appeal.too-large", name=name, limit=MOST_BYTES >> 30)
        # Read through the descriptor first: one that gives its holder no right to read ends here.
        content = await inspected(self.index, source, path)
        try:
            _, body = await asyncio.to_thread(self.reader.read, f"/proc/self/fd/{source}")
        except OSError as error:
            raise HaechiError("seal.io", name=name, reason=error.strerror or "") from error
        if body.torn or body.digest != content.digest:
            raise HaechiError("appeal.changed", name=name)
        overlap = await asyncio.to_thread(self.cleared.overlap, body.prints)
        for match in content.matches:
            if match.how is MatchHow.EXACT or match.digest in overlap.kept:
                raise HaechiError("appeal.protected", name=name, of=match.name)
            if match.digest not in overlap.touched:
                raise HaechiError("appeal.packed", name=name, of=match.name)
        if overlap.kept:
            raise HaechiError("appeal.protected", name=name, of=min(overlap.kept))
        return content, body


@dataclass(frozen=True, slots=True)
class AskForRelease:
    """Takes an appeal against a refusal. ``agent`` is the id by which officers know this agent."""

    records: Records
    examine: Examine
    audit: AuditLog
    clock: Clock
    new_id: Callable[[], str]
    agent: str

    async def __call__(
        self, source: int, path: str, decision_id: str, uid: int, user: str, reason: str
    ) -> Mapping[str, JSON]:
        """The request that an officer reads; it is on record.

        Raises ``HaechiError``: ``explain.not-found`` (also for another's decision), ``permit.reason``,
        ``appeal.not-refused``, ``appeal.no-match``, ``appeal.other-content``, as ``Examine``, ``audit.…``.
        """
        said = reason_of(reason)
        record = await self.records.find(decision_id)
        actor = record.get("actor") if record else None
        if record is None or not isinstance(actor, Mapping) or actor.get("uid") != uid or actor.get("user") != user:
            raise HaechiError("explain.not-found", id=decision_id)
        refused = _matched(record, decision_id, path)
        content, body = await self.examine(source, path)
        if not _is_of(record, content, body, refused):
            raise HaechiError("appeal.other-content", id=decision_id, file=path)
        request: dict[str, JSON] = {
            "schema": "haechi.appeal/1",
            "id": self.new_id(),
            "at": self.clock.now().isoformat(),
            "agent": self.agent,
            "user": user,
            "decision": decision_id,
            "name": path,
            "digest": body.digest,
            "size": body.size,
            "matched": [_told(match) for match in content.matches[:MOST_NAMED]],
            "reason": said,
        }
        await self.audit.durable({**request, "schema": SCHEMA, "kind": KIND, "act": "asked"})
        return request


def _matched(record: Mapping[str, Any], decision_id: str, path: str) -> frozenset[str]:
    """The protected contents, by digest, parts of which were recognised in what was refused."""
    if (record.get("decision") or {}).get("effect") not in (Effect.BLOCK.value, Effect.WOULD_BLOCK.value):
        raise HaechiError("appeal.not-refused", id=decision_id)
    matches: Sequence[Mapping[str, Any]] = (record.get("content") or {}).get("matches", ())
    for match in matches:
        if match.get("how") == MatchHow.EXACT.value:
            raise HaechiError("appeal.protected", name=path, of=str(match.get("name", "")))
    found = frozenset(str(match["digest"]) for match in matches if match.get("how") == MatchHow.PARTIAL.value)
    if not found:
        raise HaechiError("appeal.no-match", id=decision_id)
    return found


def _is_of(record: Mapping[str, Any], content: Content, body: Fingerprints, refused: frozenset[str]) -> bool:
    """Whether a file is what was refused. An early refusal knows no digest, and that of a part is not the file's: then
    the same protected content has to be found in the file, which is larger than its part.
    """
    about = record.get("content") or {}
    if about.get("digest") == body.digest:
        return True
    larger = not about.get("digest") or int(about.get("size") or 0) < body.size
    return larger and any(match.digest in refused for match in content.matches)


def _told(match: Match) -> dict[str, JSON]:
    return {
        "name": match.name,
        "digest": match.digest,
        "technologies": [*sorted({tag.technology for tag in match.tags})],
        "matched_bytes": match.matched_bytes,
        "total_bytes": match.total_bytes,
    }


@dataclass(frozen=True, slots=True)
class AnswerAppeal:
    """Carries out what an officer signed, and takes it back. ``told`` gives the records of this kind, oldest first, and
    blocks.
    """

    examine: Examine
    cleared: ClearedContents
    verifier: ReleaseVerifier
    audit: AuditLog
    clock: Clock
    new_id: Callable[[], str]
    told: Callable[[], Iterable[Mapping[str, Any]]]
    _one_by_one: asyncio.Lock = field(default_factory=asyncio.Lock)
    """What is answered and what is taken back at the same moment must not miss each other."""

    async def __call__(self, source: int, path: str, release: bytes, user: str) -> Mapping[str, JSON]:
        """What was cleared, by whose signature; refusals are on record too.

        Raises ``HaechiError``: the verifier's, ``appeal.release-narrow``, ``appeal.already``, ``appeal.taken-back``,
        ``appeal.full``, as ``Examine``, ``audit.…``.
        """
        async with self._one_by_one:
            return await self._answered(source, path, release, user)

    async def _answered(self, source: int, path: str, release: bytes, user: str) -> Mapping[str, JSON]:
        try:
            body, permitted = await self._accepted(source, path, release)
        except HaechiError as error:
            await self.audit.durable(self._event("refused", {"user": user, "name": path, "why": error.code}))
            raise
        said: dict[str, JSON] = {"user": user, "name": path, "digest": body.digest, "size": body.size}
        event = self._event("answered", {**said, "release": permitted.as_json()})
        await self.audit.durable(event)
        try:
            await asyncio.to_thread(self.cleared.clear, body.digest, body.prints)
        except HaechiError as error:
            self.audit.later(self._event("failed", {**said, "why": error.code}))
            raise
        return {**said, "release": permitted.as_json(), "blocks": len(body.prints)}

    async def _accepted(self, source: int, path: str, release: bytes) -> tuple[Fingerprints, Release]:
        _, body = await self.examine(source, path)
        action = ReleaseAction.NOT_PROTECTED
        permitted = self.verifier.verify(release, content_digest=body.digest, action=action.value)
        if (permitted.technology, permitted.grade, permitted.funding) != (None, None, None):
            raise HaechiError("appeal.release-narrow", number=permitted.number)
        if body.digest in await asyncio.to_thread(self.cleared.cleared):
            raise HaechiError("appeal.already", number=permitted.number)
        if await asyncio.to_thread(lambda: Course.of(self.told(), body.digest).ends(permitted)):
            raise HaechiError("appeal.taken-back", number=permitted.number)
        return body, permitted

    async def end(self, digest: str, user: str) -> None:
        """Take an answer back, for good: it only tightens. It is on record before it counts no more, so that the audit
        knows of it whatever happens in between. An answer that was lost with the index is taken back as well.

        Raises ``HaechiError``: ``appeal.unknown``, ``index.…``, ``audit.…``.
        """
        try:
            bytes.fromhex(digest.removeprefix("blake3:"))
        except ValueError as error:
            raise HaechiError("appeal.unknown", digest=digest) from error
        async with self._one_by_one:
            counts = digest in await asyncio.to_thread(self.cleared.cleared)
            if not counts and not await asyncio.to_thread(lambda: Course.of(self.told(), digest).answered):
                raise HaechiError("appeal.unknown", digest=digest)
            await self.audit.durable(self._event("ended", {"user": user, "digest": digest}))
            await asyncio.to_thread(self.cleared.count_again, digest)

    async def settle(self) -> list[str]:
        """What the index clears though it was taken back (an index that was put back, or a crash in between) counts
        again; the digests. Raises ``HaechiError``: ``index.…``, ``audit.…``.
        """
        async with self._one_by_one:
            courses = await asyncio.to_thread(lambda: Course.all_of(self.told()))
            cleared = await asyncio.to_thread(self.cleared.cleared)
            over = [digest for digest in cleared if digest in courses and courses[digest].over]
            for digest in over:
                await self.audit.durable(self._event("recalled", {"user": "", "digest": digest}))
                await asyncio.to_thread(self.cleared.count_again, digest)
            return over

    def _event(self, act: str, more: Mapping[str, JSON]) -> Mapping[str, JSON]:
        at = self.clock.now().isoformat()
        return {"schema": SCHEMA, "kind": KIND, "id": self.new_id(), "at": at, "act": act, **more}


def listed(events: Iterable[Mapping[str, Any]], cleared: Sequence[str], user: str | None) -> list[dict[str, Any]]:
    """The appeals on record, newest first, each with its ``state``: ``open``, ``answered``, or ``void`` where an answer
    counts no more (it was taken back, or the index was lost). ``user`` None means everybody's.
    """
    asked: dict[str, Mapping[str, Any]] = {}
    answers: dict[str, Mapping[str, Any]] = {}
    for event in events:
        act, digest = event.get("act"), str(event.get("digest", ""))
        if act == "asked" and user in (None, event.get("user")):
            asked[str(event.get("id"))] = event
        elif act == "answered":
            answers.pop(digest, None)
            answers[digest] = event
        for kept, most in ((asked, MOST_LISTED), (answers, MOST_ANSWERS)):  # the audit may tell of any number
            while len(kept) > most:
                del kept[next(iter(kept))]
    rows = []
    for event in reversed(asked.values()):
        digest = str(event.get("digest", ""))
        answer = answers.get(digest)
        state = "answered" if digest in cleared else "void" if answer else "open"
        wanted = ("id", "at", "user", "decision", "name", "digest", "size", "matched", "reason")
        told = {name: event.get(name) for name in wanted}
        rows.append({**told, "state": state, "answer": (answer or {}).get("release")})
    return rows
