"""Both sides of the content index: memory for what every block asks, SQLite (write-ahead log) for what must outlive the
process, and the transactions that keep them in step.

Locking. Writers (tagging, watching, scanning of folders) hold one lock and write in transactions; what they change in
memory is
changed after the commit, before they return. Scans never take that lock: they read the memory side, and the few rows
a hit
needs over a connection of their own. So a long write never makes an upload wait, and a file is refused as soon as
``tag`` returns.
A storage that fails raises; nothing is ever taken for *not protected* because it could not be read. After any
failure the index is not ``ready`` (what was to be written may be missing) until the folders were gone through again.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from blake3 import blake3

from haechi.domain.errors import HaechiError
from haechi.domain.tags import Tag
from haechi.outbound.index.common import counting, table_of
from haechi.outbound.index.hot import Hot
from haechi.outbound.index.scan import Detail, protection_of
from haechi.outbound.index.schema import BUSY_SECONDS, connect, named, prepare
from haechi.outbound.index.seed import read_seed
from haechi.outbound.index.store import Store
from haechi.payload.anchors import Table
from haechi.ports.protection import Observed


class IndexStorage:
    """The file, what of it is in memory, and whether anything is missing."""

    def __init__(self, path: Path, *, busy_seconds: float = BUSY_SECONDS) -> None:
        """Open, or make, the index at ``path``; the seed lies beside it, for its owner only.

        Raises ``HaechiError``: ``index.corrupt`` (``recover`` sets the file aside), ``index.locked``,
        ``index.version``.
        """
        self._path = path
        self._writing = threading.RLock()
        self._reading = threading.Lock()
        self._revision = 0
        self._details: dict[int, Detail] = {}
        self._protections: dict[object, int] = {}
        self._sizes: set[int] = set()
        self._inodes = Table()
        self._worst: tuple[int, tuple[Tag, ...]] = (-1, ())
        self._busy_seconds = busy_seconds
        self._ready = False
        self._failures = 0
        self._stale = False
        self._problem: HaechiError | None = None
        self.late: Callable[[], bool] = lambda: False
        """Whether changes of files wait too long to be looked at; told by whoever watches."""
        self.observed: Callable[[Sequence[Observed]], None] = lambda seen: None
        """Told of every tagged file that was looked at, before the look is done; must be quick and never raise."""
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._seed = read_seed(path.with_name(path.name + ".seed"))
        self._open()

    def _open(self, first_number: int = 0) -> None:
        """Open the file, made where it is missing; a new one counts its contents from after ``first_number``."""
        path = self._path
        with named(path):
            path.touch(mode=0o600)
            self._rows = Store(connect(path, timeout=self._busy_seconds))
            try:
                prepare(self._rows.connection, path)
                self._check_seed()
                if first_number:
                    self._rows.count_from(first_number)
                self._read_rows = Store(connect(path, timeout=self._busy_seconds))
                self._hot = self._load()
            except BaseException:
                self._rows.connection.close()
                raise

    @classmethod
    def recover(cls, path: Path) -> tuple[Self, Path | None]:
        """Open the index; where it is damaged, set it aside and begin anew. Answers where the damaged one lies.

        A new index is not ``ready`` until every folder was gone through. What only the damaged one knew (contents whose
        files lost their tags, ciphertext that was sealed) is recalled from elsewhere, or lost.
        """
        try:
            return cls(path), None
        except HaechiError as error:
            if error.code not in ("index.corrupt", "index.version"):
                raise
        aside = _set_aside(path, ("", "-wal", "-shm", ".seed"))
        return cls(path), aside

    def renew(self) -> Path | None:
        """Take the file up again after a failure: as it is where it is whole, else set aside and made anew. Answers
        where the damaged one lies. Not ``ready`` until the folders were gone through; scans under way go on.
        """
        with self._writing, self._reading:
            self._ready = False
            last = self._hot.last_number
            for rows in (self._rows, self._read_rows):
                with contextlib.suppress(sqlite3.Error):
                    rows.connection.close()
            aside = None
            try:
                self._open()
            except HaechiError as error:
                if error.code not in ("index.corrupt", "index.version"):
                    raise
                aside = _set_aside(self._path, ("", "-wal", "-shm"))  # the same seed: who reads files knows it already
                self._open(last)
            self._details = {}
            self._stale = False
            self._revision += 2
        return aside

    def close(self) -> None:
        """Close the files. The index is of no use afterwards."""
        with self._writing, self._reading:
            self._rows.connection.close()
            self._read_rows.connection.close()

    def _check_seed(self) -> None:
        mark = blake3(self._seed.to_bytes(8, "big"), derive_key_context="haechi index seed check 1").hexdigest()
        known = self._rows.meta("seed")
        if known is None:
            self._rows.set_meta("seed", mark)
        elif known != mark:
            raise HaechiError("index.corrupt", path=str(self._path), cause="seed")

    def _load(self) -> Hot:
        self._common = table_of([*self._rows.common(), *self._rows.cleared_prints()])
        hot = Hot()
        sizes: set[int] = set()
        for detail in self._rows.contents():
            hot.add_digest(detail.number, detail.digest)
            blocks = self._rows.blocks(detail.number)
            for prints, units in blocks if detail.sealed else counting(self._common, blocks):
                hot.add_blocks(detail.number, self._protection(detail.tags, detail.sealed), prints, units)
            if not detail.sealed:
                sizes.add(detail.size)
        self._sizes = sizes
        self._know_inodes(array("Q", self._rows.inodes()))
        return hot

    def _know_inodes(self, inodes: array[int]) -> None:
        self._inodes.add(inodes, array("I", bytes(4 * len(inodes))))

    def _protection(self, tags: tuple[Tag, ...], sealed: bool) -> int:
        return self._protections.setdefault((sealed, protection_of(tags)), len(self._protections))

    @property
    def whole(self) -> bool:
        """See ``ports.protection``."""
        return self._ready

    @property
    def ready(self) -> bool:
        """See ``ports.index``: whole, and no change of files is known that was not looked at in time."""
        return self._ready and not self.late()

    @property
    def failures(self) -> int:
        """See the port."""
        return self._failures

    def mark_ready(self, failures: int | None = None) -> None:
        """See the port."""
        with self._writing:
            if self._stale:
                with named(self._path):
                    self._reload()
                self._stale = False
            if failures is None or failures == self._failures:
                self._problem, self._ready = None, True

    @property
    def problem(self) -> HaechiError | None:
        """See the port."""
        return self._problem

    def doubt(self, problem: HaechiError) -> None:
        """See the port."""
        self._failures += 1
        self._problem, self._ready = problem, False

    def _failed(self, error: HaechiError) -> None:
        """What was to be read or written is missing: nothing is known to be harmless until all was gone through."""
        if error.code.startswith("index."):
            self.doubt(error)

    def _reload(self) -> None:
        with self._reading:
            self._details = {}
        self._hot = self._load()

    # --- transactions -------------------------------------------------------------------------------------------------

    @contextmanager
    def _reader(self) -> Iterator[Store]:
        try:
            with self._reading, named(self._path):
                yield self._read_rows
        except HaechiError as error:
            self._failed(error)
            raise

    @contextmanager
    def _changing(self) -> Iterator[list[Callable[[], None]]]:
        """One transaction; what is appended to the list is done after its commit, in order."""
        try:
            with self._transaction() as after:
                yield after
        except HaechiError as error:
            self._failed(error)
            raise

    @contextmanager
    def _transaction(self) -> Iterator[list[Callable[[], None]]]:
        after: list[Callable[[], None]] = []
        with self._writing, named(self._path):
            self._rows.connection.execute("BEGIN IMMEDIATE")
            try:
                yield after
                self._rows.connection.execute("COMMIT")
            except BaseException:
                if self._rows.connection.in_transaction:
                    self._rows.connection.execute("ROLLBACK")
                raise
            self._revision += 1
            stale, self._stale = self._stale, True
            for step in after:
                step()
            self._stale = stale  # what an earlier change could not bring to memory is missing there still
            self._revision += 1


def _set_aside(path: Path, endings: Sequence[str]) -> Path:
    aside = path.with_name(f"{path.name}.damaged-{time.time_ns()}")
    for ending in endings:
        part = path.with_name(path.name + ending)
        if part.exists():
            part.rename(aside.with_name(aside.name + ending))
    return aside
