"""Where policies lie: a folder, or a file that is a bundle. Both are read whole and at once, and looked at cheaply."""

from __future__ import annotations

from pathlib import Path

from haechi.domain.errors import HaechiError
from haechi.outbound.engine.archive import MAX_PACKED
from haechi.outbound.engine.bundle import opened
from haechi.outbound.engine.folder import PolicyFolder, files, read
from haechi.outbound.engine.signature import SIGNATURE
from haechi.outbound.trust.stamp import Stamp, stamp_of


def policies_at(place: Path) -> PolicyFolder:
    """Raises ``HaechiError``: ``policy.unreadable``, and as ``folder.read`` and ``bundle.opened``."""
    return read(place) if place.is_dir() else opened(bundle_bytes(place), place)


def bundle_bytes(file: Path) -> bytes:
    """A bundle's bytes, one more at most than are taken. Raises ``HaechiError('policy.unreadable')``."""
    try:
        with file.open("rb") as held:
            return held.read(MAX_PACKED + 1)
    except OSError as error:
        raise HaechiError("policy.unreadable", folder=str(file), why=error.strerror or "") from error


def stamp_at(place: Path) -> Stamp:
    """Whether anything there changed since."""
    return stamp_of([*files(place), place / SIGNATURE] if place.is_dir() else [place])
