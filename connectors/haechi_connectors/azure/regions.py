"""From a region of Azure to a country, from data."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from importlib import resources

from haechi.domain.facts import Known, Unknown
from ruamel.yaml import YAML


@functools.cache
def countries() -> Mapping[str, str]:
    """Region to country."""
    text = resources.files(__package__).joinpath("countries.yaml").read_text(encoding="utf-8")
    loaded: Mapping[str, str] = YAML(typ="safe", pure=True).load(text)
    return loaded


def country_of(region: Known[str]) -> Known[str]:
    """The country, ``Unknown('region-not-listed')``, or the region's own cause."""
    if isinstance(region, Unknown):
        return region
    return countries().get(normal(region)) or Unknown("region-not-listed")


def normal(region: str) -> str:
    """A region as it is listed: the management API also writes ``Korea Central``."""
    return region.replace(" ", "").lower()
