"""Releases are good once: one release takes a tag off one content, or lowers it, one time on this machine.

Theory. Without it a release that was handed over could be handed over again after the content was tagged anew, until it
expires: what its approver saw is not what it would loosen then. What is spent is told to the audit first and to the
ledger then, and only then is the tag loosened: a crash in between loses the release, never gives it twice. Neither is
believed alone: what either calls spent is spent, and where the ledger knew less, somebody put an older one back; that
is told, and the ledger is filled. A release that names several contents is good once for each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from haechi.domain.errors import HaechiError
from haechi.ports.releases import Release, ReleaseLedger

KIND = "release"
"""Of the records that tell what was loosened by a release."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class SpentReleases:
    """Which releases were spent on which contents. ``told`` gives the audit's records of ``KIND``; it blocks, as all
    that is here does.
    """

    ledger: ReleaseLedger
    told: Callable[[], Iterable[Mapping[str, Any]]]

    def unspent(self, release: Release, digest: str) -> None:
        """Raises ``HaechiError``: ``tag.release-used`` where the release was spent on this content, ``ledger.…``,
        ``audit.…``.
        """
        known = self.ledger.spent(release.id, digest)
        told = known or any(_is_about(event, release.id, digest) for event in self.told())
        if told and not known:
            _log.error("release-ledger-behind", release=release.id, number=release.number)
            self.ledger.spend(release.id, digest)
        if told:
            raise HaechiError("tag.release-used", number=release.number, ledger_behind=not known)

    def spend(self, release: Release, digest: str) -> None:
        """It is spent on this content from now on, over restarts. Raises ``HaechiError('ledger.…')``."""
        self.ledger.spend(release.id, digest)


def _is_about(event: Mapping[str, Any], release_id: str, digest: str) -> bool:
    return (event.get("kind"), event.get("release_id"), event.get("digest")) == (KIND, release_id, digest)
