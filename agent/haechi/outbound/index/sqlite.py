"""The content index, as the judge asks it and as those fill it who look at files.

Scans never wait for a writer: they read the memory side, and the few rows that a hit needs. ``storage`` says how both
sides are kept in step, and what a failure means.
"""

from __future__ import annotations

import functools
import itertools
from array import array
from collections.abc import Callable, Iterable, Sequence

from haechi.domain.content import Match
from haechi.domain.errors import HaechiError
from haechi.domain.tags import Tag, merge_tags
from haechi.outbound.index.common import counting
from haechi.outbound.index.hot import Hot
from haechi.outbound.index.names import written
from haechi.outbound.index.scan import Detail, IndexScan, protection_of
from haechi.outbound.index.sealing import SealedPrints
from haechi.outbound.index.seams import recognise
from haechi.outbound.index.store import below
from haechi.outbound.index.uncounted import UncountedBlocks
from haechi.ports.index import Edges
from haechi.ports.protection import Fingerprints, Known, Observed, TaggedFile, Unreadable

_REMEMBERED_DETAILS = 4096


class SqliteContentIndex(UncountedBlocks):
    """Implements ``ports.index.ContentIndex`` and ``ports.protection.Protection``. All calls are safe from any
    thread.
    """

    # --- what a judge asks (ports.index.ContentIndex) ---------------------------------------------------------------

    @property
    def revision(self) -> int:
        """See the port."""
        return self._revision

    @property
    def hot(self) -> Hot:
        """The memory side as it is now."""
        return self._hot

    @property
    def seed(self) -> int:
        """See the port."""
        return self._seed

    @property
    def empty(self) -> bool:
        """See the port. Never before the folders were gone through."""
        return self.ready and not len(self._hot.digests) and not self.worst_tags()

    def worst_tags(self) -> tuple[Tag, ...]:
        """See the port."""
        revision, worst = self._worst
        if revision != self._revision:
            revision = self._revision
            with self._reader() as rows:
                worst = merge_tags(itertools.chain.from_iterable(rows.tag_sets()))
            self._worst = (revision, worst)
        return worst

    def scan(self, *, piece: bool = False) -> IndexScan:
        """See the port."""
        return IndexScan(self, piece=piece)

    def seams(self, pieces: Sequence[Edges]) -> tuple[Match, ...]:
        """See the port."""
        return recognise(self, pieces)

    def fingerprinting(self) -> SealedPrints:
        """See the port."""
        return SealedPrints(self._seed)

    def remember_sealed(self, digest: str, size: int, name: str, tags: tuple[Tag, ...], chunks: Sequence[int]) -> None:
        """See the port. ``chunks`` are those of ``fingerprinting``: the edges' prints, then the blocks'."""
        if len(chunks) < 2:
            raise ValueError("chunks begin with the prints of the edges")
        raw, prints = bytes.fromhex(digest.removeprefix("blake3:")), array("Q", chunks[2:])
        with self._changing() as after:
            if self._rows.by_digest(raw) is not None:
                return
            number = self._rows.add_sealed(raw, size, name, tags, (chunks[0], chunks[1]), prints)
            after.append(lambda: self._hot.add_digest(number, raw))
            units, protection = array("I", range(len(prints))), self._protection(tags, True)
            after.append(lambda: self._hot.add_blocks(number, protection, prints, units))

    def detail(self, number: int) -> Detail | None:
        """What is stored of a content."""
        known = self._details.get(number)
        if known is not None:
            return known
        with self._reader() as rows:  # remembered under the lock that forgetting takes: never an older one than stored
            known = rows.detail(number)
            if known is not None:
                if len(self._details) >= _REMEMBERED_DETAILS:
                    self._details = {}
                self._details[number] = known
        return known

    def with_digest(self, digest: bytes, size: int) -> Detail | None:
        """The content that is exactly this."""
        found = (self.detail(number) for number in self._hot.by_digest(digest))
        return next((detail for detail in found if detail and detail.digest == digest and detail.size == size), None)

    # --- what those say who fill it (ports.protection.Protection) ---------------------------------------------------

    def file(self, path: str) -> TaggedFile | None:
        """See the port."""
        with self._reader() as rows:
            return next(iter(rows.files("f.path = ?", (written(path),))), None)

    def files_of(self, device: int, inode: int) -> Sequence[TaggedFile]:
        """See the port."""
        signed = inode - (1 << 64) if inode >= 1 << 63 else inode
        with self._reader() as rows:
            return rows.files("f.inode = ? AND f.device = ?", (signed, device))

    def files(self, below_folder: str = "/") -> Sequence[TaggedFile]:
        """See the port."""
        with self._reader() as rows:
            condition = "f.path = ? OR (f.path >= ? AND f.path < ?)"
            return rows.files(condition, (written(below_folder), *below(below_folder)))

    def count(self) -> int:
        """See the port."""
        with self._reader() as rows:
            return rows.count()

    def tags_of(self, digest: str) -> tuple[Tag, ...]:
        """See the port."""
        raw = bytes.fromhex(digest.removeprefix("blake3:"))
        found = (self.detail(number) for number in self._hot.by_digest(raw))
        return next((detail.tags for detail in found if detail and detail.digest == raw and not detail.sealed), ())

    def has_size(self, size: int) -> bool:
        """See the port."""
        return size in self._sizes

    def may_know(self, inode: int) -> bool:
        """See the port."""
        return bool(self._inodes.hits(array("Q", [inode])))

    def files_in(self, folder: str) -> Sequence[TaggedFile]:
        """See the port."""
        inside = below(folder)
        with self._reader() as rows:
            condition = "f.path >= ? AND f.path < ? AND instr(substr(f.path, ?), x'2F') = 0"
            return rows.files(condition, (*inside, len(inside[0]) + 1))

    def paths_after(self, path: str, most: int) -> Sequence[str]:
        """See the port."""
        with self._reader() as rows:
            return rows.paths_after(path, most)

    def observe(self, seen: Sequence[Observed]) -> None:
        """See the port. One transaction."""
        with self._changing() as after:
            self._rows.put_files([(file, self._observe(file, after)) for file in seen])
            inodes = array("Q", [file.stamp.inode for file in seen])
            after.append(lambda: self._know_inodes(inodes))
            after.append(lambda: self.observed(seen))

    def _observe(self, file: Observed, after: list[Callable[[], None]]) -> int | None:
        """The number of the file's content, known from here on; None for an empty file."""
        body = file.body
        if not body.size:
            return None
        digest = bytes.fromhex(body.digest.removeprefix("blake3:"))
        number = self._rows.add_content(digest, body, file.path, file.tags)
        if number is not None:
            self._sizes.add(body.size)
            self._block(number, file.tags, body, after)
            after.append(functools.partial(self._hot.add_digest, number, digest))
            return number
        known = self._rows.by_digest(digest)
        if known is None:
            raise RuntimeError("a content is known and is not")
        if body.prints and not known.sealed and not self._rows.has_blocks(known.number):
            self._rows.give_blocks(known.number, body)
            self._block(known.number, known.tags, body, after)
        self._tighten(known.number, file.tags, after)
        return known.number

    def _block(self, number: int, tags: tuple[Tag, ...], body: Fingerprints, after: list[Callable[[], None]]) -> None:
        protection = self._protection(tags, False)
        for prints, units in counting(self._common, [(body.prints, body.units)]):
            after.append(functools.partial(self._hot.add_blocks, number, protection, prints, units))

    def _tighten(self, number: int, tags: tuple[Tag, ...], after: list[Callable[[], None]]) -> None:
        detail = self._rows.detail(number)
        if detail is None or detail.sealed:
            return
        merged = merge_tags([*detail.tags, *tags])
        if merged == detail.tags:
            return
        self._rows.retag(number, merged)
        after.append(lambda: self._forget_detail(number))
        if protection_of(merged) != protection_of(detail.tags):
            protection = self._protection(merged, False)
            for prints, units in list(counting(self._common, self._rows.blocks(number))):
                after.append(functools.partial(self._hot.add_blocks, number, protection, prints, units))

    def _forget_detail(self, number: int) -> None:
        with self._reading:
            self._details.pop(number, None)

    def forget(self, paths: Iterable[str]) -> None:
        """See the port."""
        with self._changing():
            self._rows.forget(paths)

    def moved(self, old: str, new: str) -> None:
        """See the port."""
        with self._changing():
            self._rows.move(old, new)

    def release(self, digest: str, tags: tuple[Tag, ...]) -> None:
        """See the port."""
        with self._changing() as after:
            known = self._rows.by_digest(bytes.fromhex(digest.removeprefix("blake3:")))
            if known is None or known.sealed:
                raise HaechiError("tag.not-protected", digest=digest)
            if tags:
                self._rows.retag(known.number, tags)
                self._rows.retag_files(known.number, tags)
            else:
                self._rows.drop(known.number)
            after.append(self._reload)

    def unreadable(self) -> Sequence[Unreadable]:
        """See the port."""
        with self._reader() as rows:
            return rows.unreadable()

    def mark_unreadable(self, files: Iterable[Unreadable]) -> None:
        """See the port."""
        with self._changing():
            self._rows.put_unreadable(files)

    @property
    def lost(self) -> bool:
        """See the port."""
        with self._reader() as rows:
            return rows.meta("restored") is None

    def restore(self, known: Iterable[Known]) -> None:
        """See the port. One transaction."""
        with self._changing() as after:
            for content in known:
                raw = bytes.fromhex(content.digest.removeprefix("blake3:"))
                if self._rows.by_digest(raw) is not None:
                    continue
                if content.sealed:
                    self._rows.add_sealed(raw, content.size, content.name, content.tags, (0, 0), array("Q"))
                else:
                    body = Fingerprints(content.digest, content.size)
                    self._rows.add_content(raw, body, content.name, content.tags)
            after.append(self._reload)

    def recalled(self) -> None:
        """See the port."""
        with self._changing():
            self._rows.set_meta("restored", "1")
