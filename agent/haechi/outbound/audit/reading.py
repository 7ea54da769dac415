"""Read records for people: the last ones, new ones as they come, a span of time."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from haechi.domain.audit import Record, read_line
from haechi.outbound.audit.segments import lines, segments

POLL_SECONDS = 0.25


def last(folder: Path, count: int) -> list[Record]:
    """The last ``count`` records, oldest first. Raises ``HaechiError('audit.missing')``."""
    found: deque[Record] = deque()
    for path in reversed(segments(folder)):
        kept: deque[Record] = deque(_records(path), maxlen=count - len(found))
        found.extendleft(reversed(kept))
        if len(found) >= count:
            break
    return list(found)


def follow(folder: Path, after: int) -> Iterator[Record]:
    """Records with a higher number than ``after``, for ever, as they are written."""
    while True:
        for record in since(folder, after):
            after = record.seq
            yield record
        time.sleep(POLL_SECONDS)


def since(folder: Path, after: int) -> Iterator[Record]:
    """Whole records with a higher number than ``after`` that are there now."""
    paths = segments(folder)
    start = max((at for at, path in enumerate(paths) if int(path.stem) <= after + 1), default=0)
    for path in paths[start:]:
        for record in _records(path):
            if record.seq > after:
                yield record


def between(folder: Path, start: str | None = None, end: str | None = None) -> Iterator[Record]:
    """Records from ``start`` (inclusive) until ``end`` (exclusive), both as ``domain.audit.instant`` writes."""
    for record in since(folder, 0):
        if (start is None or record.time >= start) and (end is None or record.time < end):
            yield record


def _records(path: Path) -> Iterator[Record]:
    """Whole lines that are records. What was damaged is ``verify``'s to tell."""
    for line, _ in lines(path):
        if line.endswith(b"\n"):
            record, _ = read_line(line)
            if record is not None:
                yield record
