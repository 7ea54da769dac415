"""Where policies lie: a folder, or a file that is a bundle. Both are read whole and at once, and looked at cheaply."""

from __future__ import annotations

from pathlib import Path

from haechi.outbound.engine.bundle import bundle_bytes, opened
from haechi.outbound.engine.folder import PolicyFolder, read
from haechi.outbound.engine.signature import SIGNATURE
from haechi.outbound.engine.texts import files
from haechi.outbound.trust.stamp import Stamp, stamp_of


def policies_at(place: Path) -> PolicyFolder:
    """Whoever signed them: for people who look at them. ``SignedPolicies.read`` is for what may be put in force.

    Raises ``HaechiError``: ``policy.unreadable``, and as ``folder.read`` and ``bundle.opened``.
    """
    return read(place) if place.is_dir() else opened(bundle_bytes(place), place)


def stamp_at(place: Path) -> Stamp:
    """Whether anything there changed since."""
    return stamp_of([*files(place), place / SIGNATURE] if place.is_dir() else [place])
