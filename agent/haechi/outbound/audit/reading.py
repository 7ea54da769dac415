"""Read records for people: the last ones, new ones as they come, a span of time."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from importlib.resources.abc import Traversable

from haechi.domain.audit import Record, read_line
from haechi.outbound.audit.segments import first_of, lines, segments

POLL_SECONDS = 0.25
_WINDOW = 64 * 1024


def last(folder: Traversable, count: int) -> list[Record]:
    """The last ``count`` records, oldest first, read from the end. Raises ``HaechiError('audit.missing')``."""
    found: list[Record] = []
    for path in reversed(segments(folder)):
        if len(found) >= count:
            break
        found = [*_records(_last_lines(path, count - len(found))), *found]
    return found


def follow(folder: Traversable, after: int) -> Iterator[Record]:
    """Records with a higher number than ``after``, for ever, as they are written. Nothing is read twice."""
    name, offset = "", 0
    while True:
        for path in _from(folder, after):
            if path.name != name:
                name, offset = path.name, 0
            for line, end in lines(path, offset):
                if not line.endswith(b"\n"):
                    break
                offset = end
                for record in _records([line]):
                    if record.seq > after:
                        after = record.seq
                        yield record
        time.sleep(POLL_SECONDS)


def since(folder: Traversable, after: int) -> Iterator[Record]:
    """Whole records with a higher number than ``after`` that are there now."""
    for path in _from(folder, after):
        for record in _records(line for line, _ in lines(path)):
            if record.seq > after:
                yield record


def between(folder: Traversable, start: str | None = None, end: str | None = None) -> Iterator[Record]:
    """Records from ``start`` (inclusive) until ``end`` (exclusive), both as ``domain.audit.instant`` writes."""
    for record in since(folder, 0):
        if (start is None or record.time >= start) and (end is None or record.time < end):
            yield record


def of_kinds(folder: Traversable, kinds: Sequence[str]) -> Iterator[Record]:
    """Records of these kinds, oldest first; lines of others are not parsed."""
    marks = [f'"kind":"{kind}"'.encode() for kind in kinds]
    for path in segments(folder):
        likely = (line for line, _ in lines(path) if any(mark in line for mark in marks))
        yield from (record for record in _records(likely) if record.kind in kinds)


def _from(folder: Traversable, after: int) -> Sequence[Traversable]:
    """The segments from the one on in which the record after ``after`` lies."""
    paths = segments(folder)
    start = max((at for at, path in enumerate(paths) if first_of(path) <= after + 1), default=0)
    return paths[start:]


def _records(found: Iterable[bytes]) -> Iterator[Record]:
    """Whole lines that are records. What was damaged is ``verify``'s to tell."""
    for line in found:
        if line.endswith(b"\n"):
            record, _ = read_line(line)
            if record is not None:
                yield record


def _last_lines(path: Traversable, count: int) -> list[bytes]:
    """The last whole lines, and perhaps an unfinished one behind them."""
    with path.open("rb") as file:
        size, window = file.seek(0, os.SEEK_END), _WINDOW
        while True:
            start = max(0, size - window)
            file.seek(start)
            found: list[bytes] = file.read(size - start).splitlines(keepends=True)
            whole = found if start == 0 else found[1:]
            if start == 0 or len(whole) > count:
                unfinished = bool(whole) and not whole[-1].endswith(b"\n")
                return whole[max(0, len(whole) - count - unfinished) :]
            window *= 4
