"""Tag files, list tags, and loosen them with a signed release.

Tagging is synchronous: when it returns, an upload of the content is recognised. Tightening needs nobody's leave;
removing or lowering a tag needs a release that a trusted key signed for exactly this content and act, and that was not
spent on it.
"""

# Names are plain strings here: millions pass, and an object for each would cost more than the work on it.
# ruff: noqa: PTH100, PTH110, PTH113

from __future__ import annotations

import datetime as dt
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from haechi.app.everywhere import Everywhere
from haechi.app.indexing import Indexing
from haechi.app.spent_releases import SpentReleases
from haechi.domain.catalogue import Catalogue
from haechi.domain.errors import HaechiError
from haechi.domain.tags import LONGEST_WORD, PENDING, Funding, Grade, Tag, TagOrigin, is_word
from haechi.ports.protection import Protection, TaggedFile, Unreadable
from haechi.ports.releases import Release, ReleaseVerifier
from haechi.ports.tags import Problem


def checked_tag(
    catalogue: Catalogue, technology: str, grade: str, funding: str, owner: str, marked_at: dt.datetime
) -> Tag:
    """A tag from what a person said. Raises ``HaechiError``: ``tag.unknown-technology``, ``tag.unknown-grade``,
    ``tag.unknown-funding``, ``tag.bad-owner``.
    """
    if not all(map(is_word, (technology, grade, funding))):  # quoted nowhere: it may be anything
        raise HaechiError("tag.bad-request", field="technology, grade, funding")
    if not is_word(owner):
        raise HaechiError("tag.bad-owner", limit=LONGEST_WORD)
    wanted = technology.strip().upper()
    if wanted not in catalogue and wanted != PENDING:
        near = "\n".join(f"  {known.id}  {known.en} / {known.ko}" for known in catalogue.near(technology))
        code = "tag.unknown-technology" if near else "tag.no-technology"
        raise HaechiError(code, technology=technology, **({"near": near} if near else {}))
    try:
        read_grade = Grade(grade.strip().upper())
    except ValueError as error:
        raise HaechiError("tag.unknown-grade", grade=grade, grades=", ".join(Grade)) from error
    try:
        read_funding = Funding(funding.strip().lower())
    except ValueError as error:
        raise HaechiError("tag.unknown-funding", funding=funding, kinds=", ".join(Funding)) from error
    return Tag(wanted, read_grade, read_funding, owner, marked_at, TagOrigin.COMMAND)


@dataclass(frozen=True, slots=True)
class TagReport:
    """What tagging did: the files with all their tags, what could not be read, and what to tell the person."""

    files: tuple[TaggedFile, ...]
    unreadable: tuple[Unreadable, ...]
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Released:
    """A tag that was lowered or removed: for the record."""

    path: str
    digest: str
    before: tuple[Tag, ...]
    after: tuple[Tag, ...]
    release: Release


class Tagging:
    """The use case."""

    def __init__(
        self,
        protection: Protection,
        indexing: Indexing,
        catalogue: Catalogue,
        verifier: ReleaseVerifier,
        spent: SpentReleases,
        everywhere: Everywhere,
        now: Callable[[], dt.datetime],
    ) -> None:
        self._protection = protection
        self._indexing = indexing
        self.catalogue = catalogue
        self._verifier = verifier
        self._spent = spent
        self._one_release = threading.Lock()
        self._everywhere = everywhere
        self._now = now

    def tag(
        self, paths: Sequence[str], technology: str, grade: str, funding: str = "unknown", owner: str = ""
    ) -> TagReport:
        """Tag files; folders mean every file that is in them now. Raises ``HaechiError`` before anything is tagged:
        ``tag.unknown-technology``, ``tag.unknown-grade``, ``tag.unknown-funding``, ``tag.no-file``.
        """
        tag = checked_tag(self.catalogue, technology, grade, funding, owner, self._now())
        for path in paths:
            if not os.path.exists(path):
                raise HaechiError("tag.no-file", path=path)
        # A link is a name of the file it leads to: that file is tagged.
        real = [os.path.realpath(path) for path in paths]
        problems: list[Problem] = []
        for path in real:
            if os.path.isfile(path):
                try:
                    problems += self._everywhere.warnings(path)
                except OSError:
                    continue  # the examination reports it
        self._indexing.refresh_rules()
        report = self._indexing.examine(real, (tag,))
        files = [file for path in real for file in self._protection.files(path)]
        return TagReport(tuple(files), tuple(report.unreadable), tuple(dict.fromkeys([*problems, *report.problems])))

    def listed(self, below: str = "/") -> Sequence[TaggedFile]:
        """Every tagged file at or below a folder."""
        return self._protection.files(os.path.abspath(below))

    def unreadable(self) -> Sequence[Unreadable]:
        """Every file that could not be read when it was last tried."""
        return self._protection.unreadable()

    def checked(self, technology: str, grade: str, funding: str) -> Tag:
        """A tag from words, checked against the catalogue. Raises as ``tag`` does."""
        return checked_tag(self.catalogue, technology, grade, funding, "", self._now())

    def release(
        self,
        path: str,
        release: bytes,
        action: str,
        to: Tag | None = None,
        record: Callable[[Released], None] = lambda released: None,
    ) -> Released:
        """Remove tags (``untag``: those that the release names) or lower one (``lower``, to ``to``). ``record`` makes
        the act durable before it is done; what it raises prevents it. The release is spent on the content by it.

        The release is for the content, so every file that holds it is released. What is written in an attribute, a
        folder or the policy applies again at the next look: take it off first. Raises ``HaechiError``:
        ``tag.not-tagged``, ``tag.release-used``, ``tag.lower-needs``, ``tag.release-too-narrow``,
        ``tag.nothing-to-release``, ``ledger.…``, and the verifier's.
        """
        with self._one_release:  # two hands with the same release at the same moment
            return self._release(path, release, action, to, record)

    def _release(
        self, path: str, release: bytes, action: str, to: Tag | None, record: Callable[[Released], None]
    ) -> Released:
        file = self._protection.file(os.path.realpath(path))
        if file is None or not file.digest:
            raise HaechiError("tag.not-tagged", path=path)
        permitted = self._verifier.verify(release, content_digest=file.digest, action=action)
        self._spent.unspent(permitted, file.digest)
        after = _untagged(file.tags, permitted) if action == "untag" else _lowered(file, permitted, to)
        if after == file.tags:
            raise HaechiError("tag.nothing-to-release", path=path)
        released = Released(file.path, file.digest, file.tags, after, permitted)
        record(released)
        self._spent.spend(permitted, file.digest)
        self._protection.release(file.digest, after)
        return released


def _untagged(tags: tuple[Tag, ...], permitted: Release) -> tuple[Tag, ...]:
    if permitted.technology is None:
        return ()
    return tuple(tag for tag in tags if tag.technology != permitted.technology)


def _lowered(file: TaggedFile, permitted: Release, to: Tag | None) -> tuple[Tag, ...]:
    """The tags with one lowered, if the release goes that far."""
    current = next((tag for tag in file.tags if to is not None and tag.technology == to.technology), None)
    if to is None or current is None:
        raise HaechiError("tag.lower-needs", path=file.path)
    least_grade = permitted.grade or current.grade
    least_funding = permitted.funding or current.funding
    too_low = (
        (permitted.technology not in (None, to.technology))
        or to.grade.strictness < least_grade.strictness
        or to.funding.strictness < least_funding.strictness
    )
    if too_low:
        raise HaechiError("tag.release-too-narrow", path=file.path, number=permitted.number)
    lowered = replace(current, grade=to.grade, funding=to.funding)
    return tuple(lowered if tag is current else tag for tag in file.tags)
