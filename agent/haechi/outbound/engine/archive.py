"""Files in a gzipped tar, read and written as a hostile one has to be: in memory, bounded, and plain files only.

Nothing is put on the disk. What is read first is unpacked up to a bound, so that no header can ask for more than that.
Writing gives the same bytes for the same files. Must not know: what the files are.
"""

from __future__ import annotations

import io
import re
import tarfile
import zlib
from collections.abc import Iterable, Mapping

MAX_PACKED = 4 << 20
MAX_UNPACKED = 8 << 20
"""Bytes: the files of a policy folder at their most, and the heads before them."""
MAX_FILES = 600
_GZIP = 31
_NAME = re.compile(r"(?:[^/\\\x00-\x1f\x7f]{1,200}/){0,8}[^/\\\x00-\x1f\x7f]{1,200}")


class ArchiveError(Exception):
    """It is not such an archive; the message says why, on one line."""


def unpacked(packed: bytes) -> dict[str, bytes]:
    """Every file by its name, without a slash before it. Raises ``ArchiveError``."""
    if len(packed) > MAX_PACKED:
        raise ArchiveError(f"more than {MAX_PACKED} bytes")
    files: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(_inflated(packed)), mode="r|", errorlevel=2) as held:
            for member in held:
                if member.isdir():
                    continue
                if not member.isreg() or member.issparse():
                    raise ArchiveError(f"{member.name[:200]!r} is no plain file")
                name = _named(member.name)
                if name in files:
                    raise ArchiveError(f"{name!r} is there twice")
                if len(files) >= MAX_FILES:
                    raise ArchiveError(f"more than {MAX_FILES} files")
                read = held.extractfile(member)
                files[name] = read.read() if read is not None else b""
    except (tarfile.TarError, EOFError, ValueError, OverflowError, OSError) as error:
        raise ArchiveError(f"no tar: {error}") from error
    return files


def packed(files: Mapping[str, bytes], first: Iterable[str] = ()) -> bytes:
    """The archive of files, in the order of their names after ``first``: no times, owners or modes of this machine."""
    made = io.BytesIO()
    order = [name for name in first if name in files]
    with tarfile.open(fileobj=made, mode="w", format=tarfile.PAX_FORMAT) as held:
        for name in [*order, *sorted(set(files) - set(order))]:
            member = tarfile.TarInfo("/" + name)  # as OPA itself writes them
            member.size, member.mode = len(files[name]), 0o644
            held.addfile(member, io.BytesIO(files[name]))
    deflate = zlib.compressobj(9, wbits=_GZIP)
    return deflate.compress(made.getvalue()) + deflate.flush()


def _inflated(packed: bytes) -> bytes:
    inflate = zlib.decompressobj(wbits=_GZIP)
    try:
        tar = inflate.decompress(packed, MAX_UNPACKED + 1)
    except zlib.error as error:
        raise ArchiveError(f"no gzip: {error}") from error
    if len(tar) > MAX_UNPACKED:
        raise ArchiveError(f"more than {MAX_UNPACKED} bytes unpacked")
    if not inflate.eof or inflate.unused_data:
        raise ArchiveError("cut off, or something follows its end")
    return tar


def _named(name: str) -> str:
    plain = name.removeprefix("./").removeprefix("/")
    if not _NAME.fullmatch(plain) or any(part in (".", "..") for part in plain.split("/")):
        raise ArchiveError(f"{name[:200]!r} is no name for a file")
    return plain
