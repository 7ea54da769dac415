"""Hosts of S3-compatible stores whose providers publish where they are: suggestions, from data.

Whoever relies on one states it in the signed registry; a name alone places nothing. Must not know the registry's form.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib import resources

from haechi.domain.registry import Site
from ruamel.yaml import YAML


class Certainty(StrEnum):
    """What stands behind it."""

    DOCUMENTED = "documented"
    """The provider's own documents say so."""
    SEEN = "seen"
    """Programs of others use it; no document of the provider was found."""


@dataclass(frozen=True, slots=True)
class KnownSite:
    """What is published of a host. ``buckets``: whether a bucket may stand before the host's name. ``source`` and
    ``checked`` tell where and when it was looked up.
    """

    host: str
    provider: str
    region: str
    country: str
    services: tuple[str, ...]
    buckets: bool
    certainty: Certainty
    source: str
    checked: str

    def site(self, host: str, service: str = "") -> Site:
        """A site as the registry would state it, at this spelling of the host."""
        return Site(host, self.provider, service or self.services[0], self.region, self.country, f"https://{self.host}")


@functools.cache
def known_sites() -> Mapping[str, KnownSite]:
    """By host."""
    text = resources.files(__package__).joinpath("sites.yaml").read_text(encoding="utf-8")
    rows = YAML(typ="safe", pure=True).load(text)["sites"]
    found = (
        KnownSite(
            row["host"],
            row["provider"],
            row["region"],
            row["country"],
            tuple(row["services"]),
            row["buckets"],
            Certainty(row["certainty"]),
            row["source"],
            row["checked"].isoformat(),
        )
        for row in rows
    )
    return {one.host: one for one in found}


def known_site(host: str) -> KnownSite | None:
    """What is published of a host, or of ``*.host`` where buckets stand before it."""
    bare = host.removeprefix("*.")
    found = known_sites().get(bare)
    return found if found is not None and (bare == host or found.buckets) else None
