"""The institution's signed registry."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Protocol

from haechi.domain.actor import Actor
from haechi.domain.content import Content
from haechi.domain.facts import JSON
from haechi.domain.upload import Location


class RegistryInForce(Protocol):
    """One registry as it was verified, or the lack of one. It never changes: another takes its place."""

    @property
    def revision(self) -> str:
        """Digest of the registry."""

    def facts(
        self, place: Location | None, actor: Actor, content: Content, now: dt.datetime, access_key: str = ""
    ) -> Mapping[str, JSON]:
        """The registry's part of the policy input: only the entries that can matter to this upload.

        ``access_key`` is the public identifier of the request's credential (``Action.access_key``). Without a
        registry that verified, the answer is ``{"unknown": "<cause>"}`` (``registry-missing`` …).
        """


class Registry(Protocol):
    """Knows the registry that was last verified."""

    @property
    def in_force(self) -> RegistryInForce:
        """The registry now. Whoever needs facts and revision to belong together takes it once."""
