"""What `haechi status` says of a registry's age and of when it was last confirmed."""

from __future__ import annotations

import datetime as dt
from types import SimpleNamespace
from typing import Any, cast

import pytest
from haechi.commands.status import PARTS
from haechi.outbound.registry import FileRegistry
from haechi.wiring.registry import Registered

ISSUED = {"sequence": 7, "issued_at": "2026-03-01T09:00:00+09:00", "age_seconds": 3 * 86_400 + 5}
NOW = dt.datetime(2026, 3, 4, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("more", "said", "unsaid"),
    [
        ({"unconfirmed_seconds": 11, "confirmed_at": "2026-03-04T00:00:00+00:00"}, "3 days old", "confirmed"),
        ({"unconfirmed_seconds": 7260, "confirmed_at": "2026-03-04T00:00:00Z"}, "confirmed 121 minutes ago", "not"),
        ({"unconfirmed_seconds": 300, "confirmed_at": None}, "not confirmed in the 5 minutes since the start", "last"),
    ],
)  # fmt: skip
def test_the_page_says_how_stale_the_registry_is(
    monkeypatch: pytest.MonkeyPatch, more: dict[str, Any], said: str, unsaid: str
) -> None:
    monkeypatch.setenv("HAECHI_LANG", "en")
    told = " · ".join(PARTS["registry"]({**ISSUED, **more}))
    assert "number 7" in told
    assert said in told
    assert unsaid not in told


@pytest.mark.parametrize(("confirmed", "seconds"), [(None, 90.0), (NOW - dt.timedelta(seconds=12), 12.0)])
def test_what_was_never_confirmed_counts_from_the_start_and_nothing_is_below_zero(
    confirmed: dt.datetime | None, seconds: float
) -> None:
    registry = cast("FileRegistry", SimpleNamespace(confirmed_at=confirmed))
    registered = Registered(registry, None, NOW - dt.timedelta(seconds=90))
    assert registered.unconfirmed(NOW) == seconds
    assert registered.unconfirmed(NOW - dt.timedelta(days=1)) == 0.0
