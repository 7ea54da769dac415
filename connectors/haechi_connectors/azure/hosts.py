"""From a host name to what it says: which storage account, which of its services, which cloud, which way.

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

PROVIDER = "azure"
LABELS = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?")
LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
ZONE = re.compile(r"z[0-9]{1,3}")


@dataclass(frozen=True, slots=True)
class Host:
    """What a host name says.

    ``service``: blob, dfs (Data Lake) or web (static website); unknown for a form that is not in the table. ``account``
    is empty where it stands in the path. ``endpoint`` is the host with its port. ``store`` as of ``Location``: the
    sovereign cloud, or the host of a site.
    """

    service: str
    endpoint: str
    account: str = ""
    provider: str = PROVIDER
    region: Known[str] = field(default_factory=lambda: Unknown("not-in-host"))
    route: Route = field(default_factory=Route)
    store: str = ""
    secondary: bool = False

    @property
    def pathless(self) -> bool:
        """Whether the host names the account; else the path begins with it."""
        return bool(self.account)


@functools.cache
def _known() -> Mapping[str, Any]:
    text = resources.files(__package__).joinpath("hosts.yaml").read_text(encoding="utf-8")
    loaded: Mapping[str, Any] = YAML(typ="safe", pure=True).load(text)
    return loaded


class Hosts:
    """Every host that belongs to this connector: the provider's own, and the sites whose service is ``azure``.

    A site's host stands for an emulator or a gateway, with accounts in the path (``host/ACCOUNT/CONTAINER/…``); one
    that begins with ``*.`` has the account in its place, as Azure Stack does.
    """

    def __init__(self, sites: Iterable[Site] = ()) -> None:
        self._exact: dict[str, Site] = {}
        self._wild: list[tuple[str, Site]] = []
        for site in sites:
            name = normal(site.host)
            if site.service != PROVIDER:
                continue
            if name.startswith("*."):
                self._wild.append((name[1:], site))
            else:
                self._exact[name] = site
        self._wild.sort(key=lambda entry: -len(entry[0]))

    @property
    def scope(self) -> Sequence[str]:
        """Host patterns to intercept: all names of the provider's storage, whichever service."""
        return [*(f"*.{suffix}" for suffix in _known()["suffixes"]), *self._exact, *(f"*{t}" for t, _ in self._wild)]

    def find(self, host: str) -> Host | None:
        """What the host says; None where it is not of these services."""
        name = normal(host)
        site = self._exact.get(name)
        if site is not None:
            return _site(site, name, "")
        for tail, wild in self._wild:
            if name.endswith(tail) and len(name) > len(tail):
                return _site(wild, name, name[: -len(tail)])
        return _azure(name)


def _site(site: Site, endpoint: str, account: str) -> Host:
    region: Known[str] = site.region or Unknown("not-in-site")
    route = Route(country=site.country or Unknown("not-in-site"))
    service = "dfs" if ".dfs." in f".{endpoint}" else "blob"
    store = endpoint if not account else endpoint.removeprefix(account + ".")
    host = Host(service, endpoint, provider=site.provider or PROVIDER, region=region, route=route, store=store)
    return _decorated(host, account) if account else host


def _azure(name: str) -> Host | None:
    bare, colon, port = name.partition(":")
    if not LABELS.fullmatch(bare):
        return None
    for suffix, cloud in _known()["suffixes"].items():
        if not bare.endswith("." + suffix):
            continue
        labels = bare[: -len(suffix) - 1].split(".")
        service = labels.pop()
        if service not in _known()["services"]:
            return None
        store = cloud + colon + port
        private = "privatelink" in labels[1:]
        rest = [label for label in labels[1:] if label != "privatelink" and not ZONE.fullmatch(label)]
        # A private endpoint stands in a network of its own, wherever the account lies.
        route = Route(private_endpoint=private, with_container=not port and not private)
        host = Host(service, name, route=route, store=store)
        if not labels or rest or not LABEL.fullmatch(labels[0]):
            return replace(host, service="unknown")
        return _decorated(host, labels[0])
    return None


def _decorated(host: Host, label: str) -> Host:
    """The account in a host's first label, and what stands behind its name there. Accounts of managed disks
    (``md-…``) have hyphens of their own.
    """
    account, found = label, []
    decorations = _known()["decorations"]
    while (parts := account.rpartition("-"))[0] and parts[2] in decorations:
        account = parts[0]
        found.append(parts[2])
    dual = any(decorations[name].get("dual_stack", False) for name in found)
    route = replace(host.route, dual_stack=dual)
    return replace(host, account=account, route=route, secondary="secondary" in found)
