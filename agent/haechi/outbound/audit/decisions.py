"""The decisions of an audit folder, for going through all of them: in batches, in constant memory, in one reading.

What was damaged is handed over as damaged; it proves nothing about the rest: that is ``verify``'s to say.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from typing import Final

import msgspec

from haechi.domain.audit import read_line, written_at
from haechi.outbound.audit.segments import lines, segments
from haechi.ports.recorded import Batch, Damage, Recorded, Span

RECORDS: Final = 512
BYTES: Final = 8 << 20
"""What one batch holds at most, but for a single longer record."""


@dataclass(frozen=True, slots=True)
class FolderDecisions:
    """Implements ``haechi.ports.recorded.DecisionRecords`` on an audit folder, or on one as the agent shows it."""

    folder: Traversable

    def batches(self, span: Span) -> Iterator[Batch]:
        """See the port. Clocks jump, so every segment is looked at, whatever its neighbours' times are."""
        paths = segments(self.folder)
        sizes = [_size(path) for path in paths]
        total, before = sum(sizes), 0
        for at, path in enumerate(paths):
            found: list[Recorded] = []
            kept = offset = 0
            for taken, size, offset in _taken(path, span, last=at == len(paths) - 1):
                if taken is not None:
                    found.append(taken)
                kept += size
                if len(found) >= RECORDS or kept >= BYTES:
                    yield Batch(found, before + offset, total)
                    found, kept = [], 0
            before += max(sizes[at], offset)
            yield Batch(found, min(before, total), total)


def _taken(path: Traversable, span: Span, *, last: bool) -> Iterator[tuple[Recorded | None, int, int]]:
    """Of each line what is to be judged, or None; its bytes, and the offset behind it."""
    broken = ""
    offset = 0
    for number, (line, offset) in enumerate(lines(path), 1):
        where = f"{path.name}:{number}"
        if not line.endswith(b"\n"):  # a line longer than any record comes in pieces
            broken = broken or where
        elif broken:
            yield Recorded(broken, {}, damage=Damage.UNREADABLE), 0, offset
            broken = ""
        else:
            yield _read(line, where, span), len(line), offset
    if broken:
        yield Recorded(broken, {}, damage=Damage.UNFINISHED if last else Damage.UNREADABLE), 0, offset


def _read(line: bytes, where: str, span: Span) -> Recorded | None:
    time = written_at(line)
    if time is not None and not span.holds(time):
        return None
    record, intact = read_line(line)
    if record is None:
        return Recorded(where, {}, damage=Damage.UNREADABLE)
    if not intact:
        return Recorded(where, {}, record.time, Damage.ALTERED)
    if record.kind != "decision" or not span.holds(record.time):
        return None
    try:
        return Recorded(where, record.decoded(), record.time)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return Recorded(where, {}, record.time, Damage.UNREADABLE)


def _size(path: Traversable) -> int:
    with path.open("rb") as file:
        return int(file.seek(0, os.SEEK_END))
