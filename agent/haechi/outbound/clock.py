"""The machine's own clock."""

from __future__ import annotations

import datetime as dt
import time


class SystemClock:
    """The time that the operating system keeps."""

    def now(self) -> dt.datetime:
        """The time of day in UTC."""
        return dt.datetime.now(dt.UTC)

    def monotonic(self) -> float:
        """Seconds since some fixed moment."""
        return time.monotonic()
