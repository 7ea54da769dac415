"""``baseline.buckets``: every bucket judged, for officers. Each goes out as it is done: all are too long a line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from haechi.app.surveying import SurveyBuckets
from haechi.domain.errors import HaechiError
from haechi.inbound.control.calls import HOUR, lang, listed
from haechi.inbound.control.peer import Peer, Role
from haechi.inbound.control.server import ControlServer, Progress

MOST_PROFILES = 64
"""Accounts that one survey may be asked about."""


def register_survey(server: ControlServer, survey: SurveyBuckets) -> None:
    """Progress messages carry ``{"bucket", "done", "total"}``; the result is what is said of all."""

    async def baseline_buckets(args: dict[str, Any], peer: Peer, progress: Progress) -> dict[str, Any]:
        async def report(bucket: Mapping[str, Any], done: int, total: int) -> None:
            await progress({"bucket": dict(bucket), "done": done, "total": total})

        return await survey(report, lang(args), _profiles(args))

    server.register("baseline.buckets", baseline_buckets, Role.OFFICER, timeout=HOUR)


def _profiles(args: Mapping[str, Any]) -> list[str]:
    """Names of the agent's profiles, a few. Raises ``control.bad-request``."""
    names = listed(args, "profiles")
    if len(names) > MOST_PROFILES or not all(
        isinstance(name, str) and name.isprintable() and 0 < len(name) <= 128 for name in names
    ):
        raise HaechiError("control.bad-request", reason="profiles")
    return list(names)
