"""One SQLite file that says clearly when it cannot be used.

Theory. A ledger that answers wrongly loosens: a forgotten piece or object reads as untagged. So every failure is a
named error and the judge refuses; nothing here repairs by forgetting. Writes are synced (``synchronous=FULL``), because
a power cut that took a write back would be forgetting too. A file that was mended or put back is taken up again
without a restart: the connection is opened anew after each failure.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from haechi.domain.content import Content
from haechi.domain.errors import HaechiError

BUSY_SECONDS = 0.5
"""How long another process may hold the file before that is an error."""

_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA secure_delete=ON",  # pieces keep bytes of tagged content: what is deleted is overwritten
    "PRAGMA trusted_schema=OFF",
    "PRAGMA cell_size_check=ON",
    "PRAGMA wal_autocheckpoint=1000",
    "PRAGMA journal_size_limit=67108864",
)


_contents = msgspec.json.Decoder(Content)


class Database:
    """A SQLite file of mode 0600 with one connection, shared by threads."""

    def __init__(
        self, path: Path, schema: str, version: int, steps: Mapping[int, str] | None = None, *, synced: bool = True
    ) -> None:
        """``schema`` is a script that creates everything; ``version`` is kept in the file and must agree. ``steps``
        bring a file of an older version one version further. Not ``synced``: a power cut may take the last writes back,
        for what says itself up to when it holds.
        """
        self.path = path
        self._schema = schema
        self._version = version
        self._steps = dict(steps or {})
        self._pragmas = _PRAGMAS if synced else (*_PRAGMAS, "PRAGMA synchronous=NORMAL")
        self._guard = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    @contextlib.contextmanager
    def transaction(self, *, write: bool = False) -> Iterator[sqlite3.Connection]:
        """One transaction; rolled back by any exception.

        Raises ``HaechiError``: ``ledger.locked``, ``ledger.corrupt``, ``ledger.disk-full``, ``ledger.unavailable``,
        ``ledger.other-version``.
        """
        with self._guard:
            try:
                connection = self._connection or self._open()
                connection.execute("BEGIN IMMEDIATE" if write else "BEGIN")
                try:
                    yield connection
                except BaseException:
                    connection.rollback()
                    raise
                connection.commit()
            except (sqlite3.Error, OSError, OverflowError) as error:
                self._drop()
                raise _named(error, self.path) from error

    def content(self, raw: bytes) -> Content:
        """Content as it was kept. Raises ``HaechiError('ledger.corrupt')``."""
        try:
            return _contents.decode(raw)
        except (msgspec.DecodeError, ValueError) as error:
            raise HaechiError("ledger.corrupt", file=str(self.path), cause="content") from error

    def close(self) -> None:
        """Let the file go; the next use opens it again."""
        with self._guard:
            self._drop()

    def _open(self) -> sqlite3.Connection:
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            if os.fstat(handle).st_mode & 0o077:
                os.fchmod(handle, 0o600)
        finally:
            os.close(handle)
        connection = sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            for pragma in self._pragmas:
                connection.execute(pragma)
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version == 0:
                self._step(connection, self._schema, self._version)
            while version in self._steps:
                self._step(connection, self._steps[version], version + 1)
                version += 1
        except BaseException:
            connection.close()
            raise
        if version not in (0, self._version):
            connection.close()
            raise HaechiError("ledger.other-version", file=str(self.path), found=version, wanted=self._version)
        self._connection = connection
        return connection

    @staticmethod
    def _step(connection: sqlite3.Connection, script: str, version: int) -> None:
        connection.executescript(f"BEGIN IMMEDIATE; {script}; PRAGMA user_version={version}; COMMIT;")

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()


_CAUSES = {
    sqlite3.SQLITE_BUSY: "ledger.locked",
    sqlite3.SQLITE_LOCKED: "ledger.locked",
    sqlite3.SQLITE_CORRUPT: "ledger.corrupt",
    sqlite3.SQLITE_NOTADB: "ledger.corrupt",
    sqlite3.SQLITE_FULL: "ledger.disk-full",
}


def _named(error: Exception, path: Path) -> HaechiError:
    code = "ledger.unavailable"
    if isinstance(error, sqlite3.Error):
        extended = getattr(error, "sqlite_errorcode", None)
        if extended is not None:
            code = _CAUSES.get(extended & 0xFF, code)
        elif isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
            code = "ledger.corrupt"
    return HaechiError(code, file=str(path), cause=str(error)[:200])
