"""Find one record in the audit, newest segments first."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from haechi.domain.audit import read_line
from haechi.outbound.audit.segments import lines, segments


class FolderRecords:
    """Implements ``haechi.app.explaining.Records`` on an audit folder; reads in a thread, in constant memory."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def find(self, decision_id: str) -> Mapping[str, Any] | None:
        """The event with this id; None where there is none. Raises ``HaechiError('audit.missing')``."""
        return await asyncio.to_thread(self._find, decision_id)

    def _find(self, decision_id: str) -> Mapping[str, Any] | None:
        wanted = decision_id.encode()
        for path in reversed(segments(self._folder)):
            for line, _ in lines(path):
                if wanted not in line:  # most lines are another's: only a likely one is parsed
                    continue
                record, _ = read_line(line)
                event = record.decoded() if record is not None else {}
                if event.get("id") == decision_id:
                    return event
        return None
