from __future__ import annotations

import datetime as dt
import time
from pathlib import Path

import pytest
from haechi.outbound.trust.keys import SigningKey


class SteppingClock:
    """Real spans, and a time of day that grows by a microsecond at every look."""

    def __init__(self) -> None:
        self._now = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)

    def now(self) -> dt.datetime:
        self._now += dt.timedelta(microseconds=1)
        return self._now

    def monotonic(self) -> float:
        return time.monotonic()


@pytest.fixture
def clock() -> SteppingClock:
    return SteppingClock()


@pytest.fixture(scope="session")
def key() -> SigningKey:
    return SigningKey.generate()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "audit"
