"""The rows of the index: SQL and nothing else. Not for several threads at once: the caller holds a lock."""

from __future__ import annotations

import os
import sqlite3
from array import array
from collections.abc import Iterable, Iterator, Sequence

from haechi.domain.tags import Tag
from haechi.outbound.index.names import spelled, written
from haechi.outbound.index.scan import Detail
from haechi.outbound.index.writing import read_tags, write_tags
from haechi.ports.protection import Fingerprints, Observed, Stamp, TaggedFile, Unreadable

PART = 1 << 16
"""Fingerprints in one row of ``blocks``."""

_FILE = """SELECT f.path, f.device, f.inode, f.size, f.mtime_ns, f.ctime_ns, f.tags, f.content, c.digest, c.tags
    FROM files f LEFT JOIN contents c ON c.id = f.content"""
_DETAIL = "SELECT id, digest, size, name, tags, sealed, head, tail FROM contents"
_INSERT = "INSERT INTO contents (digest, size, name, tags, sealed, head, tail) VALUES (?, ?, ?, ?, ?, ?, ?)"
_BITS = 1 << 64


def _signed(value: int) -> int:
    return value - _BITS if value >= _BITS >> 1 else value


def _stored(nanoseconds: int) -> int:
    """A time in the 64 bits that SQLite has; one beyond the year 2262 wraps, and its file is read again each time."""
    return _signed(nanoseconds % _BITS)


def below(folder: str) -> tuple[bytes, bytes]:
    """The range of names inside a folder, for ``path >= ? AND path < ?``."""
    inside = written(folder).rstrip(b"/") + b"/"
    return inside, inside[:-1] + b"0"


class Store:
    """Rows over one connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    # --- contents

    def detail(self, number: int) -> Detail | None:
        """One content by number."""
        return _detail(self.connection.execute(_DETAIL + " WHERE id = ?", (number,)).fetchone())

    def by_digest(self, digest: bytes) -> Detail | None:
        """One content by digest."""
        return _detail(self.connection.execute(_DETAIL + " WHERE digest = ?", (digest,)).fetchone())

    def contents(self) -> Iterator[Detail]:
        """Every content, oldest first."""
        for row in self.connection.execute(_DETAIL + " ORDER BY id").fetchall():
            detail = _detail(row)
            if detail is not None:
                yield detail

    def sizes(self) -> Iterator[int]:
        """Every size that a plain content has."""
        return (row[0] for row in self.connection.execute("SELECT DISTINCT size FROM contents WHERE sealed = 0"))

    def tag_sets(self) -> Iterator[tuple[Tag, ...]]:
        """Every set of tags that something in the index has."""
        rows = self.connection.execute(
            "SELECT DISTINCT tags FROM contents WHERE sealed = 0 UNION SELECT DISTINCT tags FROM unreadable"
        )
        return (read_tags(row[0]) for row in rows)

    def add_content(self, digest: bytes, body: Fingerprints, name: str, tags: tuple[Tag, ...]) -> int | None:
        """A plain content; its number, or None where one with this digest is known already."""
        row = (digest, body.size, spelled(name), write_tags(tags), 0, None, None)
        cursor = self.connection.execute(f"{_INSERT} ON CONFLICT (digest) DO NOTHING", row)
        if cursor.rowcount == 0:
            return None
        number = int(cursor.lastrowid or 0)
        self._add_blocks(number, body.prints, body.units)
        return number

    def add_sealed(
        self, digest: bytes, size: int, name: str, tags: tuple[Tag, ...], edges: tuple[int, int], prints: array[int]
    ) -> int:
        """A new sealed content; its number."""
        row = (digest, size, spelled(name), write_tags(tags), 1, _signed(edges[0]), _signed(edges[1]))
        number = int(self.connection.execute(_INSERT, row).lastrowid or 0)
        self._add_blocks(number, prints, array("I", range(len(prints))))
        return number

    def _add_blocks(self, number: int, prints: array[int], units: array[int]) -> None:
        for part, at in enumerate(range(0, len(prints), PART)):
            row = (number, part, prints[at : at + PART].tobytes(), units[at : at + PART].tobytes())
            self.connection.execute("INSERT INTO blocks VALUES (?, ?, ?, ?)", row)

    def blocks(self, number: int) -> Iterator[tuple[array[int], array[int]]]:
        """The fingerprints of a content with their units, in parts."""
        sql = "SELECT prints, units FROM blocks WHERE content = ? ORDER BY part"
        for prints, units in self.connection.execute(sql, (number,)):
            yield array("Q", prints), array("I", units)

    def has_blocks(self, number: int) -> bool:
        """Whether more of a content is known than its digest."""
        found = self.connection.execute("SELECT 1 FROM blocks WHERE content = ? LIMIT 1", (number,)).fetchone()
        return found is not None

    def give_blocks(self, number: int, body: Fingerprints) -> None:
        """The blocks of a content of which only the digest was known."""
        self._add_blocks(number, body.prints, body.units)

    def retag(self, number: int, tags: tuple[Tag, ...]) -> None:
        """Give a content other tags."""
        self.connection.execute("UPDATE contents SET tags = ? WHERE id = ?", (write_tags(tags), number))

    def drop(self, number: int) -> None:
        """A content is protected no more; nor are its names."""
        for table, column in (("files", "content"), ("blocks", "content"), ("contents", "id")):
            self.connection.execute(f"DELETE FROM {table} WHERE {column} = ?", (number,))  # noqa: S608 - names from this line

    # --- files

    def files(self, where: str, values: Sequence[object]) -> list[TaggedFile]:
        """Names that fit a condition of this module's callers, ordered."""
        return [_file(row) for row in self.connection.execute(f"{_FILE} WHERE {where} ORDER BY f.path", values)]

    def count(self) -> int:
        """How many names there are."""
        return int(self.connection.execute("SELECT count(*) FROM files").fetchone()[0])

    def paths_after(self, path: str, most: int) -> list[str]:
        """Names in order."""
        sql = "SELECT path FROM files WHERE path > ? ORDER BY path LIMIT ?"
        return [os.fsdecode(row[0]) for row in self.connection.execute(sql, (written(path), most))]

    def inodes(self) -> Iterator[int]:
        """The inode of every name."""
        return (_unsigned(row[0]) for row in self.connection.execute("SELECT inode FROM files"))

    def put_files(self, seen: Iterable[tuple[Observed, int | None]]) -> None:
        """What is now under each name, with the number of its content; the last says it where one comes twice."""
        rows = []
        for file, content in seen:
            stamp = file.stamp
            inode, tags = _signed(stamp.inode), write_tags(file.tags)
            times = _stored(stamp.mtime_ns), _stored(stamp.ctime_ns)
            rows.append((written(file.path), stamp.device, inode, stamp.size, *times, tags, content))
        self.connection.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
        self.connection.executemany("DELETE FROM unreadable WHERE path = ?", [(row[0],) for row in rows])

    def retag_files(self, number: int, tags: tuple[Tag, ...]) -> None:
        """Give every name of a content other tags."""
        self.connection.execute("UPDATE files SET tags = ? WHERE content = ?", (write_tags(tags), number))

    def forget(self, paths: Iterable[str]) -> None:
        """Names, and all below them, are gone."""
        for path in paths:
            for table in ("files", "unreadable"):
                sql = f"DELETE FROM {table} WHERE path = ? OR (path >= ? AND path < ?)"  # noqa: S608 - names from above
                self.connection.execute(sql, (written(path), *below(path)))

    def move(self, old: str, new: str) -> None:
        """A name, and all below it, is another now."""
        here = written(old)
        for table in ("files", "unreadable"):
            # Joined, two BLOBs are TEXT: the same bytes, of another type.
            sql = (
                f"UPDATE OR REPLACE {table} SET path = CAST(? || substr(path, ?) AS BLOB)"  # noqa: S608 - names from above
                " WHERE path = ? OR (path >= ? AND path < ?)"
            )
            self.connection.execute(sql, (written(new), len(here) + 1, here, *below(old)))

    def count_from(self, number: int) -> None:
        """Contents to come get numbers beyond this one: no number of an earlier file means another content."""
        self.connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('contents', ?)", (number,))

    # --- the rest

    def unreadable(self) -> list[Unreadable]:
        """Files that could not be read, ordered."""
        rows = self.connection.execute("SELECT path, tags, cause FROM unreadable ORDER BY path")
        return [Unreadable(os.fsdecode(path), read_tags(tags), cause) for path, tags, cause in rows]

    def put_unreadable(self, files: Iterable[Unreadable]) -> None:
        """Files that could not be read."""
        rows = [(written(file.path), write_tags(file.tags), file.cause) for file in files]
        self.connection.executemany("INSERT OR REPLACE INTO unreadable VALUES (?, ?, ?)", rows)

    def common(self) -> Iterator[array[int]]:
        """Blocks that are everywhere."""
        return (array("Q", row[0]) for row in self.connection.execute("SELECT prints FROM common ORDER BY part"))

    def replace_common(self, prints: array[int]) -> None:
        """The blocks that are everywhere."""
        self.connection.execute("DELETE FROM common")
        if prints:
            self.connection.execute("INSERT INTO common (prints) VALUES (?)", (prints.tobytes(),))

    def cleared(self) -> list[bytes]:
        """The digests of what a release calls not protected, oldest first."""
        return [row[0] for row in self.connection.execute("SELECT digest FROM cleared ORDER BY id")]

    def cleared_prints(self) -> Iterator[array[int]]:
        """The blocks of each of them."""
        return (array("Q", row[0]) for row in self.connection.execute("SELECT prints FROM cleared ORDER BY id"))

    def add_cleared(self, digest: bytes, prints: array[int]) -> None:
        """One more."""
        self.connection.execute("INSERT INTO cleared (digest, prints) VALUES (?, ?)", (digest, prints.tobytes()))

    def drop_cleared(self, digest: bytes) -> bool:
        """One less; False where it was none."""
        return self.connection.execute("DELETE FROM cleared WHERE digest = ?", (digest,)).rowcount > 0

    def meta(self, name: str) -> str | None:
        """One remark about the whole index."""
        row = self.connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def set_meta(self, name: str, value: str) -> None:
        """Write one remark about the whole index."""
        self.connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))


def _detail(row: tuple[int, bytes, int, str, str, int, int | None, int | None] | None) -> Detail | None:
    if row is None:
        return None
    number, digest, size, name, tags, sealed, head, tail = row
    return Detail(number, digest, size, name, read_tags(tags), bool(sealed), (head or 0) % _BITS, (tail or 0) % _BITS)


def _file(row: tuple[bytes, int, int, int, int, int, str, int | None, bytes | None, str | None]) -> TaggedFile:
    path, device, inode, size, mtime_ns, ctime_ns, tags, content, digest, of_content = row
    shown = read_tags(of_content) if of_content is not None else read_tags(tags)
    said = "blake3:" + digest.hex() if digest is not None else ""
    return TaggedFile(
        os.fsdecode(path), Stamp(device, _unsigned(inode), size, mtime_ns, ctime_ns), shown, content, said
    )


def _unsigned(value: int) -> int:
    return value % _BITS
