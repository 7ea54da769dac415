"""What every group of parts stands on: settings, clock, numbers, and the order in which all is taken down."""

from __future__ import annotations

import secrets
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

from haechi.outbound.clock import SystemClock
from haechi.outbound.telemetry.lines import Lines
from haechi.outbound.telemetry.prometheus import PrometheusMetrics
from haechi.settings import Paths, Settings
from haechi.tasks import background, ended
from haechi.words import language

ID_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: no letter that is read as a digit."""


def decision_id() -> str:
    """A fresh id that a person can read out: 60 random bits in base 32."""
    bits = secrets.randbits(60)
    return "hd-" + "".join(ID_ALPHABET[bits >> shift & 31] for shift in range(0, 60, 5))


@dataclass(frozen=True, slots=True)
class Ground:
    """Made first. What is put on ``stack`` is taken down in reverse order, so that nothing asks a part that is gone."""

    settings: Settings
    stack: AsyncExitStack
    log_lines: Lines
    clock: SystemClock = field(default_factory=SystemClock)
    metrics: PrometheusMetrics = field(default_factory=PrometheusMetrics)

    @property
    def paths(self) -> Paths:
        """Where the agent keeps its things."""
        return self.settings.paths

    @property
    def lang(self) -> str:
        """The language of the machine's people."""
        return language() if self.settings.language == "auto" else self.settings.language

    def background(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Run beside everything else until the agent stops. ``name``: for the log, should it fail."""
        task = background(work, name, self.metrics.count)
        self.stack.push_async_callback(ended, task)
