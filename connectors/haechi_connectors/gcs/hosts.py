"""From a host name to what it says: which of the store's APIs, which bucket, which region, which way.

The forms are data (``hosts.yaml``), and so are the countries of the regions (``regions.yaml``). Must not know requests
beyond their host.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import Any, Final

from haechi.domain.facts import Known, Unknown
from haechi.domain.upload import Route
from ruamel.yaml import YAML

from haechi_connectors.host_names import normal

PROVIDER: Final = "gcp"
REGION = r"(?P<region>[a-z]{2,}(?:-[a-z]+)*-[a-z]+\d{1,2}|us|eu)"
ENDPOINT = r"(?P<endpoint>[a-z0-9][a-z0-9-]*)"
ANY = r"(?:[a-z0-9_-]+\.)*[a-z0-9_-]+"
NOWHERE: Final = Unknown("global-endpoint")
"""The country of an endpoint without a region in its name: it takes bytes in wherever Google's nearest front end stands
(Google's page "Regional endpoints": the global ones may process a request elsewhere than where the bucket lies).
"""
LABELS = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?")


@dataclass(frozen=True, slots=True)
class Host:
    """What a host name says.

    ``apis``: json, xml, jobs. ``bucket`` is empty for path style; with it the path is all key. ``endpoint`` is the host
    without bucket, with its port. ``others`` tells that other services answer there too. ``store`` as of ``Location``.
    """

    endpoint: str
    apis: frozenset[str] = frozenset()
    bucket: str = ""
    others: bool = False
    region: Known[str] = field(default_factory=lambda: Unknown("not-in-host"))
    route: Route = field(default_factory=Route)
    store: str = ""


@dataclass(frozen=True, slots=True)
class _Form:
    pattern: re.Pattern[str]
    apis: frozenset[str]
    bucket: bool
    others: bool
    private: bool


@functools.cache
def _known() -> tuple[tuple[_Form, ...], tuple[str, ...]]:
    data = _loaded("hosts.yaml")
    return tuple(_form(row) for row in data["forms"]), tuple(data["scope"])


@functools.cache
def countries() -> Mapping[str, str]:
    """Region to country."""
    # Norway's code is a boolean to YAML 1.1, so the values are read as YAML 1.2 does.
    loaded: Mapping[str, str] = _loaded("regions.yaml")
    return loaded


def _loaded(name: str) -> Any:
    text = resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
    return YAML(typ="safe", pure=True).load(text)


def country_of(region: Known[str]) -> Known[str]:
    """The country of a region's name in lower case, ``Unknown('region-not-listed')``, or the region's own cause."""
    if isinstance(region, Unknown):
        return region
    return countries().get(region) or Unknown("region-not-listed")


def _form(row: Mapping[str, Any]) -> _Form:
    pattern = re.escape(row["pattern"]).replace(r"\{", "{").replace(r"\}", "}")
    pattern = pattern.replace("{region}", REGION).replace("{endpoint}", ENDPOINT).replace("{any}", ANY)
    before = r"(?:(?P<bucket>.+?)\.)?" if row["bucket"] else "(?P<bucket>)"
    return _Form(
        re.compile(rf"{before}(?P<host>{pattern})"),
        frozenset(row["apis"]),
        row["bucket"],
        row.get("others", False),
        row.get("private", False),
    )


def scope() -> Sequence[str]:
    """Host patterns to intercept: all names of Google's APIs, for a bucket or an endpoint may stand anywhere there."""
    return list(_known()[1])


def find(host: str) -> Host | None:
    """What the host says; None where it is not the store's."""
    name = normal(host)
    bare, colon, port = name.partition(":")
    if not LABELS.fullmatch(bare) or (colon and not port.isdigit()):
        return None
    for form in _known()[0]:
        match = form.pattern.fullmatch(bare)
        if match is None:
            continue
        named = match.groupdict().get("region")
        region: Known[str] = named or Unknown("not-in-host")
        bucket = match["bucket"] or ""
        return Host(
            match["host"] + colon + port,
            frozenset({"xml"}) if bucket else form.apis,
            "" if bucket == "*" else bucket,
            form.others,
            region,
            Route(private_endpoint=form.private, country=country_of(region) if named or form.private else NOWHERE),
            colon + port,
        )
    return None
