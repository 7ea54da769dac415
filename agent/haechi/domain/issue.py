"""Issues of the institution's policies: their order, and which may follow which.

Theory. A signature says who made something, never that it is the newest: whoever can put an older bundle, signed all
the same, in an agent's way could loosen. So each issue has a number, and an agent remembers two: of the issue in force,
and the highest it ever took.

=======================  ===============================================================================
in force (highest ever)  offered, and what becomes of it
=======================  ===============================================================================
nothing with a number    anything: taken
N (H)                    without a number: refused, ``policy.sequence-missing``
N (H)                    N, the same contents: in force already
N (H)                    N, other contents: refused, ``policy.sequence-reused``
N (H)                    above H: taken
N (H)                    above N, up to H: was rolled back, refused, ``policy.sequence-withdrawn``
N (H)                    below N, signed as a roll-back from exactly N: taken, and H stays
N (H)                    below N otherwise: refused, ``policy.sequence-lower``
=======================  ===============================================================================

Must not know: signatures, files, clocks.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from haechi.domain.errors import HaechiError
from haechi.domain.facts import JSON

MAX_SEQUENCE = 2**53 - 1
"""The largest whole number that every reader of JSON keeps exactly."""


@dataclass(frozen=True, slots=True)
class Issue:
    """One issue of policies. ``rolls_back_from`` is the issue that it replaces though its own number is lower."""

    sequence: int
    issued_at: dt.datetime
    rolls_back_from: int | None = None

    def __post_init__(self) -> None:
        """Raises ``ValueError``."""
        if not 1 <= self.sequence <= MAX_SEQUENCE:
            raise ValueError(f"the sequence is a whole number from 1 to {MAX_SEQUENCE}")
        if self.issued_at.tzinfo is None:
            raise ValueError("issued_at needs a time zone")
        if self.rolls_back_from is not None and not self.sequence < self.rolls_back_from <= MAX_SEQUENCE:
            raise ValueError("a roll-back comes from a higher sequence")


@dataclass(frozen=True, slots=True)
class Accepted:
    """What was taken last: its number, the highest number ever taken or withdrawn, and its contents' digest."""

    sequence: int
    highest: int
    revision: str


def succeed(accepted: Accepted | None, issue: Issue | None, revision: str) -> Accepted | None:
    """What is to be remembered when this issue comes into force. Raises ``HaechiError('policy.sequence-…')``."""
    if accepted is None:
        return None if issue is None else Accepted(issue.sequence, issue.rolls_back_from or issue.sequence, revision)
    if issue is None:
        raise HaechiError("policy.sequence-missing", in_force=accepted.sequence)
    numbers = {"sequence": issue.sequence, "in_force": accepted.sequence}
    if issue.sequence == accepted.sequence:
        if revision != accepted.revision:
            raise HaechiError("policy.sequence-reused", **numbers)
        return accepted
    if issue.sequence > accepted.highest:
        return Accepted(issue.sequence, issue.rolls_back_from or issue.sequence, revision)
    if issue.sequence > accepted.sequence:
        raise HaechiError("policy.sequence-withdrawn", **numbers)
    if issue.rolls_back_from != accepted.sequence:
        raise HaechiError("policy.sequence-lower", **numbers)
    return Accepted(issue.sequence, accepted.highest, revision)


def issue_facts(issue: Issue | None, now: dt.datetime, unconfirmed: float | None) -> dict[str, JSON]:
    """What rules may know of the policies in force: ``sequence`` and ``age_seconds`` (null: no issue), and
    ``unconfirmed_seconds`` since their source was last reached (null: there is none to be reached).
    """
    age = None if issue is None else max((now - issue.issued_at).total_seconds(), 0.0)
    return {
        "sequence": None if issue is None else issue.sequence,
        "age_seconds": age,
        "unconfirmed_seconds": unconfirmed,
    }
