"""Working again within 5 s of a fault, and what that means where the processors have other work too.

The bar is the product's: 5 s, for every single fault, measured from the fault on. Only a reference loosens it: a fresh
interpreter that imports what the agent imports, its time by the clock over the processor time that it got. On a machine
with a processor to spare the two are the same and the bar is 5 s. Where they differ by more than a quarter the machine
is overloaded, and the bar grows by that very factor, to three times itself at most: on a machine that is slower still
nothing is shown, and the test fails. The reference is only asked where 5 s were not kept, so it cannot hide what was
quick enough.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable

BACK_WITHIN_S = 5.0
"""From a fault until the agent works again."""
OVERLOADED = 1.25
"""A reference slower than this shows a machine that had no processor to spare."""
MOST_LOOSENED = 3.0
"""The bar never grows beyond so many times itself."""
GIVE_UP_S = 60.0
REFERENCE = "import haechi.main, time; print(time.process_time())"


def slowed() -> float:
    """How many times longer than alone a start takes on this machine now."""
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", REFERENCE], capture_output=True, text=True, check=True, timeout=GIVE_UP_S, env=os.environ
    )
    return (time.monotonic() - began) / float(done.stdout)


def in_time(took: float, what: str = "", factor: float | None = None) -> float:
    """Fails unless ``took`` seconds are within the bar; returns them. ``factor`` is the reference, where it was asked
    while the machine still had the work that it had then.
    """
    if took > BACK_WITHIN_S:
        factor = slowed() if factor is None else factor
        told = f"{what} took {took:.1f} s; a start takes {factor:.2f} times as long as alone"
        assert factor > OVERLOADED, told
        assert took <= BACK_WITHIN_S * min(factor, MOST_LOOSENED), told
    return took


def back(complaint: Callable[[], object], what: str = "", *, since: float | None = None) -> float:
    """Until ``complaint`` has none; the seconds from ``since`` (monotonic; by default now). Fails unless in time."""
    began = time.monotonic() if since is None else since
    while said := complaint():
        assert time.monotonic() - began < GIVE_UP_S, f"{what}: {said}"
        time.sleep(0.05)
    return in_time(time.monotonic() - began, what)
