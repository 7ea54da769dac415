"""What the agent says of itself: the state of each part, asked fresh, none able to spoil the answer."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from haechi.domain.errors import HaechiError

PART_SECONDS = 3.0
"""How long a part may take to say how it is."""

Part = Callable[[], Mapping[str, Any] | Awaitable[Mapping[str, Any]]]
"""A part's state: ``{"state": "ok" | "degraded" | "busy" | "failed" | "starting", …}`` and whatever else there is to
know.
"""


@dataclass(frozen=True, slots=True)
class ReportStatus:
    """The use case. ``about`` are facts of the whole (``version``, ``mode``: cooperative or enforced, ``pid``)."""

    about: Callable[[], Mapping[str, Any]]
    parts: Mapping[str, Part]

    async def __call__(self) -> dict[str, Any]:
        """Every part's state; ``ready`` when none is starting, busy or failed."""
        states = await asyncio.gather(*(self._ask(part) for part in self.parts.values()))
        named = dict(zip(self.parts, states, strict=True))
        return {
            **self.about(),
            "ready": all(state.get("state") in ("ok", "degraded") for state in named.values()),
            "parts": named,
        }

    async def _ask(self, part: Part) -> dict[str, Any]:
        try:
            async with asyncio.timeout(PART_SECONDS):
                said = part()
                return dict(await said if inspect.isawaitable(said) else said)
        except HaechiError as error:
            return {"state": "failed", "cause": error.code, **error.params}
        except TimeoutError:
            return {"state": "failed", "cause": "timeout"}
        except Exception as error:
            return {"state": "failed", "cause": type(error).__name__}
