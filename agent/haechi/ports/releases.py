"""Signed permission to remove or lower a tag, or to call a content not protected. Without one, all only tightens."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from haechi.domain.facts import JSON
from haechi.domain.tags import Funding, Grade


class ReleaseAction(StrEnum):
    """What a release permits."""

    UNTAG = "untag"
    LOWER = "lower"
    NOT_PROTECTED = "not-protected"
    """The content is nothing protected, though blocks of it are a protected one's too: the answer to an appeal."""


@dataclass(frozen=True, slots=True)
class Release:
    """A release whose signature was checked, and which fits the content and act that were asked about.

    ``technology`` None means every technology of the content. ``grade`` and ``funding`` are the lowest that a
    ``lower`` may leave; None leaves that part as it is. ``id`` is of what was signed, so that no other spelling of the
    same release is another one; ``issued`` when it was signed, None where it does not say. The rest is for the record.
    """

    number: str
    approver: str
    action: ReleaseAction
    expires: dt.datetime
    signer: str
    technology: str | None = None
    grade: Grade | None = None
    funding: Funding | None = None
    id: str = ""
    issued: dt.datetime | None = None

    def as_json(self) -> dict[str, JSON]:
        """The form used in the audit."""
        return {
            "number": self.number,
            "approver": self.approver,
            "action": self.action.value,
            "expires": self.expires.isoformat(),
            "signer": self.signer,
            "technology": self.technology,
            "grade": self.grade.value if self.grade else None,
            "funding": self.funding.value if self.funding else None,
            "id": self.id,
            "issued": self.issued.isoformat() if self.issued else None,
        }


class ReleaseLedger(Protocol):
    """Spent releases over restarts, by the release's id and the content's digest. Called from any thread; blocks.
    Raises ``HaechiError('ledger.…')``.
    """

    def spent(self, release_id: str, digest: str) -> bool:
        """Whether it was spent on this content."""

    def spend(self, release_id: str, digest: str) -> None:
        """Remember that it was, durably."""


class ReleaseVerifier(Protocol):
    """Checks releases."""

    def verify(self, release: bytes, *, content_digest: str, action: str) -> Release:
        """The release, if a trusted key signed it for this content (``blake3:<hex>``) and act (``untag``, ``lower``,
        ``not-protected``) and it has not expired. Raises ``HaechiError('trust.…')`` or ``HaechiError('release.…')``
        otherwise.
        """
