"""The last self-test of the tools, as a small file of the agent's own state."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from haechi.domain.errors import HaechiError
from haechi.domain.facts import JSON
from haechi.durable import replace_file

LARGEST = 65536


class FileSelfTests:
    """``SelfTests`` in one file, replaced whole. What cannot be read counts as never tested."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def last(self) -> Mapping[str, JSON] | None:
        """As ``SelfTests``."""
        try:
            with self._path.open("rb") as file:
                found = json.loads(file.read(LARGEST))
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    def keep(self, result: Mapping[str, JSON]) -> None:
        """As ``SelfTests``. Raises ``HaechiError('doctor.not-kept')``."""
        try:
            replace_file(self._path, json.dumps(result, ensure_ascii=False).encode())
        except OSError as error:
            raise HaechiError("doctor.not-kept", path=str(self._path), reason=error.strerror or "") from error
