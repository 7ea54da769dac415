"""The last self-test of the tools, as a small file of the agent's own state."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from haechi.domain.errors import HaechiError
from haechi.domain.facts import JSON

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
        draft = self._path.with_name(self._path.name + ".new")
        try:
            with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "w") as file:  # noqa: PTH123
                json.dump(result, file, ensure_ascii=False)
            draft.replace(self._path)
        except OSError as error:
            raise HaechiError("doctor.not-kept", path=str(self._path), reason=error.strerror or "") from error
