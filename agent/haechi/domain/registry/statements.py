"""What people stated (attestations), as the policy input tells it: worked out once for as long as it stays the same.

Whether a statement holds and how old it is changes at its own ends and at midnight in Korea, and at no other time; the
uploads in between all ask for the same.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from haechi.domain.facts import JSON
from haechi.domain.registry.entries import Attestation
from haechi.domain.registry.periods import KST, begins, days_since


@dataclass(frozen=True, slots=True)
class _Span:
    """The facts from an instant (inclusive) until another (exclusive)."""

    start: dt.datetime
    end: dt.datetime
    facts: list[JSON]


class Statements:
    """Those of one registry. What it gives is shared, and nobody changes it. Safe from any thread."""

    def __init__(self, attestations: Sequence[Attestation]) -> None:
        self._about: Mapping[str, Sequence[Attestation]] = {
            provider: [one for one in attestations if one.provider in ("", provider)]
            for provider in {"", *(one.provider for one in attestations)}
        }
        self._known: dict[str, _Span] = {}

    def facts(self, provider: str | None, now: dt.datetime) -> list[JSON]:
        """About a provider and about the institution; without a provider, about the institution alone. ``now`` is
        aware.
        """
        name = provider if provider in self._about else ""
        known = self._known.get(name or "")
        if known is None or not known.start <= now < known.end:
            known = self._known[name or ""] = _told(self._about[name or ""], now)
        return known.facts


def _told(attestations: Sequence[Attestation], now: dt.datetime) -> _Span:
    today = begins(now.astimezone(KST).date())
    ends = [today, today + dt.timedelta(days=1), *(end for one in attestations for end in _ends(one))]
    return _Span(
        max(end for end in ends if end <= now),
        min(end for end in ends if end > now),
        [
            {
                "subject": one.subject,
                "provider": one.provider or None,
                "in_force": one.period.holds(now),
                "age_days": days_since(one.stated_on, now),
                "ends": one.period.end is not None,
            }
            for one in attestations
        ],
    )


def _ends(one: Attestation) -> Iterator[dt.datetime]:
    yield from (end for end in (one.period.start, one.period.end) if end is not None)
