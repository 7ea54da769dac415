"""From a host name to what it says: which S3 API, which bucket or access point, which region, which way.

The forms are data (``hosts.yaml``); sites that the institution named come first. Must not know requests beyond their
host.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import resources
from typing import Any

from haechi.domain.facts import Known, Unknown
from haechi.domain.registry import Site
from haechi.domain.upload import Route
from ruamel.yaml import YAML

from haechi_connectors.host_names import normal
from haechi_connectors.s3.posture_countries import country_of

PROVIDER = "aws"
ALIASES = ("-s3alias", "--ol-s3", "--xa-s3")
"""How access point aliases end, that stand where a bucket does."""
REGION = r"(?P<region>[a-z]{2,5}(?:-[a-z]+)+-\d{1,2})"
ZONE = r"(?P<zone>[a-z0-9]+-az\d{1,2})"
VPCE = r"(?P<vpce>vpce-[0-9a-z-]+)"
LABELS = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?")
UNKNOWN_S3 = re.compile(r"(?:.+\.)?s3-[a-z0-9-]+(?:\.dualstack)?(?:\.[a-z0-9-]+)?(?:\.vpce)?")
"""A label ``s3-…`` where the service stands: S3, in a form that is not in the table."""
ACCESS_POINT = re.compile(r"(?P<name>[a-z0-9][a-z0-9-]*)-(?P<account>\d{12})")
OUTPOST = re.compile(r"(?P<name>[a-z0-9][a-z0-9-]*)-(?P<account>\d{12})\.(?P<outpost>op-[0-9a-f]+)")


@dataclass(frozen=True, slots=True)
class Host:
    """What a host name says.

    ``service``: s3, s3-control, s3-express-control, s3-object-lambda, s3-outposts, s3-website, or s3-unknown.
    ``bucket`` is empty for path style; ``pathless`` tells that a container stands in the host: the path is all key.
    ``endpoint`` is the host without what names the container, with its port. ``store`` as of ``Location``.
    """

    service: str
    endpoint: str
    bucket: str = ""
    alias: str = ""
    account: str = ""
    provider: str = PROVIDER
    region: Known[str] = field(default_factory=lambda: Unknown("not-in-host"))
    route: Route = field(default_factory=Route)
    store: str = ""

    @property
    def pathless(self) -> bool:
        """Whether the host names the container."""
        return bool(self.bucket)


@dataclass(frozen=True, slots=True)
class _Form:
    pattern: re.Pattern[str]
    prefix: str
    service: str
    region: str
    route: Route


@functools.cache
def _known() -> tuple[tuple[_Form, ...], Mapping[str, str]]:
    text = resources.files(__package__).joinpath("hosts.yaml").read_text(encoding="utf-8")
    data = YAML(typ="safe", pure=True).load(text)
    return tuple(_form(row) for row in data["forms"]), data["suffixes"]


def _form(row: Mapping[str, Any]) -> _Form:
    pattern = re.escape(row["pattern"]).replace(r"\{", "{").replace(r"\}", "}")
    pattern = pattern.replace("{region}", REGION).replace("{zone}", ZONE).replace("{vpce}", VPCE)
    return _Form(
        re.compile(rf"(?:(?P<prefix>.+?)\.)?(?P<service>{pattern})"),
        row["prefix"],
        row["service"],
        row.get("region", ""),
        Route(
            accelerated=row.get("accelerated", False),
            multi_region=row.get("multi_region", False),
            dual_stack=row.get("dual_stack", False),
            fips=row.get("fips", False),
            private_endpoint=row.get("private", False),
        ),
    )


class Hosts:
    """Every host that belongs to this connector: the provider's own, and the sites."""

    def __init__(self, sites: Iterable[Site] = ()) -> None:
        self._exact: dict[str, Site] = {}
        self._wild: list[tuple[str, Site]] = []
        for site in sites:
            name = normal(site.host)
            if name.startswith("*."):
                self._wild.append((name[1:], site))
            else:
                self._exact[name] = site
        self._wild.sort(key=lambda entry: -len(entry[0]))

    @property
    def scope(self) -> Sequence[str]:
        """Host patterns to intercept."""
        return [*(f"*.{suffix}" for suffix in _known()[1]), *self._exact, *(f"*{tail}" for tail, _ in self._wild)]

    def find(self, host: str) -> Host | None:
        """What the host says; None where it is not S3's."""
        name = normal(host)
        site = self._exact.get(name)
        if site is not None:
            return _site(site, name, "")
        for tail, wild in self._wild:
            if name.endswith(tail) and len(name) > len(tail):
                return _site(wild, tail[1:], name[: -len(tail)])
        return _aws(name)


def _site(site: Site, endpoint: str, bucket: str) -> Host:
    region: Known[str] = site.region or Unknown("not-in-site")
    route = Route(country=site.country or Unknown("not-in-site"))
    return Host("s3", endpoint, bucket, provider=site.provider or PROVIDER, region=region, route=route, store=endpoint)


def _aws(name: str) -> Host | None:
    bare, colon, port = name.partition(":")
    if not LABELS.fullmatch(bare):
        return None
    forms, suffixes = _known()
    for suffix in sorted(suffixes, key=len, reverse=True):
        if not bare.endswith("." + suffix):
            continue
        labels = bare[: -len(suffix) - 1]
        for form in forms:
            match = form.pattern.fullmatch(labels)
            store = (suffixes[suffix] if suffixes[suffix] != PROVIDER else "") + colon + port
            if match is not None:
                return replace(_described(form, match, f".{suffix}{colon}{port}"), store=store)
        if UNKNOWN_S3.fullmatch(labels):
            return Host("s3-unknown", name, store=name)
        return None
    return None


def _described(form: _Form, match: re.Match[str], tail: str) -> Host:
    prefix = match["prefix"] or ""
    region_text = match.groupdict().get("region") or form.region
    region: Known[str] = region_text or Unknown("not-in-host")
    endpoint = match["service"] + tail
    bucket = alias = account = ""
    if form.prefix == "bucket":
        bucket = "" if prefix == "*" else prefix
        alias = bucket if bucket.endswith(ALIASES) else ""
    elif form.prefix in ("access-point", "object-lambda") and prefix:
        bucket, alias, account = _access_point(form.prefix, prefix, region_text)
    elif form.prefix == "mrap" and prefix:
        bucket = alias = prefix
    elif form.prefix == "outpost" and prefix:
        outpost = OUTPOST.fullmatch(prefix)
        if outpost:
            alias, account = outpost["name"], outpost["account"]
            where = f"{outpost['outpost']}/accesspoint/{alias}"
            bucket = f"arn:aws:s3-outposts:{region_text}:{account}:outpost/{where}"
        else:
            bucket = alias = prefix
    elif form.prefix == "account":
        account = prefix
    route = replace(form.route, country=country_of(PROVIDER, region))
    return Host(form.service, endpoint, bucket, alias, account, region=region, route=route)


def _access_point(kind: str, prefix: str, region: str) -> tuple[str, str, str]:
    """An access point's ARN as container: provider calls take it, and it never looks like a bucket."""
    named = ACCESS_POINT.fullmatch(prefix)
    if not named:
        return prefix, prefix, ""
    service = "s3" if kind == "access-point" else "s3-object-lambda"
    partition = "aws-cn" if region.startswith("cn-") else "aws-us-gov" if region.startswith("us-gov-") else "aws"
    arn = f"arn:{partition}:{service}:{region}:{named['account']}:accesspoint/{named['name']}"
    return arn, named["name"], named["account"]
