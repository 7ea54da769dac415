"""Time, as an argument that can be replaced in tests."""

from __future__ import annotations

import datetime as dt
from typing import Protocol


class Clock(Protocol):
    """Tells the time of day, and measures spans."""

    def now(self) -> dt.datetime:
        """The time of day: aware, in UTC."""

    def monotonic(self) -> float:
        """Seconds from some fixed moment; never goes back, whatever happens to the time of day."""
