"""The choice ``evaluation`` of ``data.yaml``: how the institution counts the ministry's review."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import msgspec

from haechi.domain.registry.evaluation import Count, Evaluation, Starts

_Days = Annotated[int, msgspec.Meta(ge=1, le=3650)]
_More = Annotated[int, msgspec.Meta(ge=0, le=3650)]
_Holidays = Annotated[tuple[dt.date, ...], msgspec.Meta(max_length=2000)]


class EvaluationForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """As it is written. ``holidays`` are Korean dates, listed by the institution; only ``working`` asks for them."""

    starts: Starts | None = None
    length_days: _Days = 45
    extension_days: _More = 45
    count: Count | None = None
    holidays: _Holidays = ()

    def understood(self) -> Evaluation:
        """The same for the domain."""
        return Evaluation(self.starts, self.length_days, self.extension_days, self.count, frozenset(self.holidays))
