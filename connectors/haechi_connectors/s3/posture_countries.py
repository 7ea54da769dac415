"""From (provider, region) to a country, from data. A region's name alone says nothing: providers reuse names."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from importlib import resources

from haechi.domain.facts import Known, Unknown
from ruamel.yaml import YAML


@functools.cache
def countries() -> Mapping[str, Mapping[str, str]]:
    """Provider to region to country."""
    text = resources.files(__package__).joinpath("countries.yaml").read_text(encoding="utf-8")
    # Norway's code is a boolean to YAML 1.1, so the values are read as YAML 1.2 does.
    loaded: Mapping[str, Mapping[str, str]] = YAML(typ="safe", pure=True).load(text)
    return loaded


def country_of(provider: str, region: Known[str]) -> Known[str]:
    """The country, ``Unknown('region-not-listed')``, or the region's own cause."""
    if isinstance(region, Unknown):
        return region
    return countries().get(provider, {}).get(region) or Unknown("region-not-listed")
