"""Find one record in the audit: among those that wait to be written, then on the disk, newest first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from haechi.domain.audit import read_line
from haechi.outbound.audit.segments import lines, segments


class FolderRecords:
    """Implements ``haechi.app.explaining.Records`` on an audit folder; reads in a thread, in constant memory.

    ``unwritten`` gives an event that the log still holds in memory.
    """

    def __init__(
        self, folder: Path, unwritten: Callable[[str], Mapping[str, Any] | None] = lambda decision_id: None
    ) -> None:
        self._folder = folder
        self._unwritten = unwritten

    async def find(self, decision_id: str) -> Mapping[str, Any] | None:
        """The event with this id, the newest where there are two (an upload whose record came too late has been refused
        since); None where there is none. Raises ``HaechiError('audit.missing')``.
        """
        return self._unwritten(decision_id) or await asyncio.to_thread(self._find, decision_id)

    def waits(self, decision_id: str) -> bool:
        """Whether it is in memory alone."""
        return self._unwritten(decision_id) is not None

    def _find(self, decision_id: str) -> Mapping[str, Any] | None:
        wanted = decision_id.encode()
        for path in reversed(segments(self._folder)):
            found: Mapping[str, Any] | None = None
            for line, _ in lines(path):
                if wanted not in line:  # most lines are another's: only a likely one is parsed
                    continue
                record, _ = read_line(line)
                event = record.decoded() if record is not None else {}
                if event.get("id") == decision_id:
                    found = event
            if found is not None:
                return found
        return None
