"""Tells a clock that was set from time that went by.

Theory. How long ago a read was is all that matters, and the time of day cannot say it over a clock that is set: set
forward, reads would be forgotten; set back, they would count until the clock caught up. The kernel's count since boot,
sleep included, goes on evenly; where the two part, the clock was set by the difference.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from typing import Final

from haechi.ports.clock import Clock

LEAST: Final = dt.timedelta(seconds=2)
"""What is less than this is the ordinary disciplining of a clock."""
CLOSE: Final = 0.5
"""Seconds within which both clocks have to be read: a process may be stopped between the two."""


def since_boot() -> float:
    """Seconds since the machine started, sleep included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Steps:
    """Not safe from several threads at once."""

    def __init__(self, clock: Clock, elapsed: Callable[[], float] = since_boot) -> None:
        self._clock, self._elapsed = clock, elapsed
        self._last = self._both()

    def now(self) -> tuple[dt.datetime, dt.timedelta]:
        """The time of day, and by how much the clock was set since this was asked; zero for as good as nothing."""
        (was, began), (now, ended) = self._last, self._both()
        self._last = now, ended
        step = now - was - dt.timedelta(seconds=ended - began)
        return now, step if abs(step) >= LEAST else dt.timedelta()

    def _both(self) -> tuple[dt.datetime, float]:
        while True:
            before, now, after = self._elapsed(), self._clock.now(), self._elapsed()
            if after - before < CLOSE:
                return now, after
