"""The blocks that count for nobody: those of the system's own files, learned, and those of contents that a signed
release cleared. Each kind has a table of its own, so that learning anew forgets no clearing; ``common`` says what their
union does.
"""

from __future__ import annotations

import contextlib
import itertools
from array import array
from collections.abc import Sequence

from haechi.domain.errors import HaechiError
from haechi.outbound.index.common import most_uncounted, table_of
from haechi.outbound.index.schema import connect, named
from haechi.outbound.index.storage import IndexStorage
from haechi.outbound.index.store import Store
from haechi.ports.clearing import MOST_BLOCKS, MOST_CONTENTS, Overlap


class UncountedBlocks(IndexStorage):
    """Implements ``ports.clearing.ClearedContents``, and what ``ports.protection`` says of common blocks."""

    most_cleared = (MOST_CONTENTS, MOST_BLOCKS)

    @property
    def common_mark(self) -> str:
        """See the port."""
        with self._reader() as rows:
            return rows.meta("common") or ""

    def set_common(self, mark: str, prints: array[int]) -> None:
        """See the port. All is loaded anew only where it changes what counts."""
        with self._changing() as after:
            common = table_of([prints, *self._rows.cleared_prints()])
            before = array("Q", itertools.chain.from_iterable(self._rows.common()))
            self._rows.replace_common(prints)
            self._rows.set_meta("common", mark)
            now_counts = len(before) > len({index for index, _ in common.hits(before)})
            if now_counts or self._hot.table.hits(prints):
                after.append(self._reload)
            else:
                after.append(lambda: setattr(self, "_common", common))

    def overlap(self, prints: array[int]) -> Overlap:
        """See the port. Over a connection of its own: judging waits for none of the index's others."""
        touched, kept = set[str](), set[str]()
        with named(self._path), contextlib.closing(connect(self._path, timeout=self._busy_seconds)) as connection:
            rows = Store(connection)
            these = table_of([prints])
            uncounted = table_of([prints, *rows.common(), *rows.cleared_prints()])
            for detail in rows.contents():
                if detail.sealed:
                    continue
                own = array("Q", itertools.chain.from_iterable(part for part, _ in rows.blocks(detail.number)))
                if own and these.hits(own):
                    digest = "blake3:" + detail.digest.hex()
                    touched.add(digest)
                    if most_uncounted(uncounted, own):
                        kept.add(digest)
        return Overlap(frozenset(touched), frozenset(kept))

    def cleared(self) -> Sequence[str]:
        """See the port."""
        with self._reader() as rows:
            return ["blake3:" + digest.hex() for digest in rows.cleared()]

    def clear(self, digest: str, prints: array[int]) -> None:
        """See the port. One transaction; all is loaded anew, which takes about as long as the start does."""
        raw = bytes.fromhex(digest.removeprefix("blake3:"))
        contents, blocks = self.most_cleared
        with self._changing() as after:
            known = list(self._rows.cleared())
            if raw in known:
                return
            if len(known) >= contents or sum(map(len, self._rows.cleared_prints())) + len(prints) > blocks:
                raise HaechiError("appeal.full", contents=contents, blocks=blocks)
            self._rows.add_cleared(raw, prints)
            after.append(self._reload)

    def count_again(self, digest: str) -> bool:
        """See the port."""
        with self._changing() as after:
            known = self._rows.drop_cleared(bytes.fromhex(digest.removeprefix("blake3:")))
            if known:
                after.append(self._reload)
        return known
