"""The tables of the index, and the names of what goes wrong with them.

``contents`` are what is protected, each with its fingerprints in ``blocks``; ``files`` are the names that hold them
now, as the bytes that names are: ordered bytewise, fit for names that are not UTF-8.
A content stays when its last name is gone: a copy may live where nobody watches. Ciphertext of the agent's own making
is a content with ``sealed`` set, the prints of its edges, and tags that say what is inside.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from haechi.domain.errors import HaechiError

VERSION = 3
"""2: marked positions go first among the anchors. 3: paths are bytes. An index of another version is set aside and made
anew. A table more (``cleared``) is no other version: who does not know it counts more blocks, not fewer."""
BUSY_SECONDS = 1.0
"""How long another process may hold the file before that is an error: what is saved meanwhile is not yet known."""

TABLES = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS contents (
    id INTEGER PRIMARY KEY AUTOINCREMENT, digest BLOB NOT NULL UNIQUE, size INTEGER NOT NULL, name TEXT NOT NULL,
    tags TEXT NOT NULL, sealed INTEGER NOT NULL DEFAULT 0, head INTEGER, tail INTEGER);
CREATE INDEX IF NOT EXISTS contents_by_size ON contents (size);
CREATE TABLE IF NOT EXISTS blocks (
    content INTEGER NOT NULL, part INTEGER NOT NULL, prints BLOB NOT NULL, units BLOB NOT NULL,
    PRIMARY KEY (content, part)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS files (
    path BLOB PRIMARY KEY, device INTEGER NOT NULL, inode INTEGER NOT NULL, size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL, ctime_ns INTEGER NOT NULL, tags TEXT NOT NULL, content INTEGER) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS files_by_inode ON files (inode, device);
CREATE INDEX IF NOT EXISTS files_by_content ON files (content);
CREATE TABLE IF NOT EXISTS unreadable (path BLOB PRIMARY KEY, tags TEXT NOT NULL, cause TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS common (part INTEGER PRIMARY KEY, prints BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS cleared (id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, prints BLOB NOT NULL);
"""


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Turn what SQLite says into an error with a name."""
    try:
        yield
    except sqlite3.OperationalError as error:
        said = str(error)
        if "locked" in said or "busy" in said:
            raise HaechiError("index.locked", path=str(path)) from error
        if "full" in said:
            raise HaechiError("index.full", path=str(path)) from error
        if "malformed" in said or "disk image" in said:
            raise HaechiError("index.corrupt", path=str(path), cause=said) from error
        raise HaechiError("index.unusable", path=str(path), cause=said) from error
    except sqlite3.DatabaseError as error:
        raise HaechiError("index.corrupt", path=str(path), cause=str(error)) from error


def connect(path: Path, *, timeout: float = BUSY_SECONDS) -> sqlite3.Connection:
    """Open for use from several threads, one at a time (the caller holds a lock)."""
    connection = sqlite3.connect(path, timeout=timeout, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("PRAGMA cache_size=-16384")
    return connection


def prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Make the tables where they are missing; refuse a damaged or foreign file."""
    answer = connection.execute("PRAGMA quick_check(1)").fetchone()
    if answer is None or answer[0] != "ok":
        raise HaechiError("index.corrupt", path=str(path), cause=str(answer and answer[0]))
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version not in (0, VERSION):
        raise HaechiError("index.version", path=str(path), version=version, wanted=VERSION)
    connection.executescript(TABLES)
    connection.execute(f"PRAGMA user_version={VERSION}")
