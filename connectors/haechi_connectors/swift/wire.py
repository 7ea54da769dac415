"""From a request's head to what it does at a Swift store. What is ambiguous or new is unrecognised. Pure.

====================================  ========  ==================================================================
request                               level     action
====================================  ========  ==================================================================
GET, HEAD, OPTIONS, DELETE            any       read
PUT, POST                             container prepare, or expose where a header opens it
POST with a form                      any       upload of its files (form post)
PUT                                   object    upload; copy where ``X-Copy-From`` names a source
PUT with ``X-Object-Manifest``        object    copy of everything below the prefix (dynamic large object)
PUT ``?multipart-manifest=put``       object    upload of the list (static large object)
PUT ``?extract-archive=…``            any       upload of an archive, whose members become objects
COPY                                  object    copy, to ``Destination``
POST                                  object    read: it changes metadata
====================================  ========  ==================================================================

An object's pieces are objects themselves and each judged for itself when it is sent; a list of them carries nothing.
An account is part of the container's name here, as it is in the address, so its owner needs no further question.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import parse_qs, unquote

from haechi.domain.facts import Unknown
from haechi.domain.registry import Site
from haechi.domain.upload import Action, ActionKind, ExposureChange, Location, Request, Route

from haechi_connectors.generic.shape import announces_body, kind_of, length_of, shape_of

PATH: Final = re.compile(r"/v1(?:\.0)?/(?P<account>[^/]+)(?:/(?P<container>[^/]+)(?:/(?P<key>.+))?)?/?")
READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
EXPOSING: Final = {
    "x-container-read": "acl",
    "x-container-write": "acl",
    "x-account-access-control": "acl",
    "x-container-sync-to": "replication",
    "x-versions-location": "replication",
    "x-history-location": "replication",
    "x-container-meta-temp-url-key": "policy",
    "x-container-meta-temp-url-key-2": "policy",
    "x-account-meta-temp-url-key": "policy",
    "x-account-meta-temp-url-key-2": "policy",
    "x-container-meta-access-control-allow-origin": "cors",
    "x-container-meta-web-index": "website",
    "x-container-meta-web-listings": "website",
}
"""Headers of a container or account that open it, or send copies elsewhere, with the aspect that they change."""
ANYBODY: Final = re.compile(r"\.r(?:eferrer|ef)?\s*:\s*(?!-)")
"""A read right for everybody, or for whoever comes from some page: nobody checks that."""


@dataclass(frozen=True, slots=True)
class _Where:
    account: str
    container: str
    key: str


def action(request: Request, site: Site) -> Action:
    """Name what the request does. Never raises."""
    method, has_body = request.method.upper(), announces_body(request)
    shape, reason = shape_of(request, length_of(request))
    made = Action(site.provider, "swift", method, ActionKind.UNRECOGNISED, body=shape, route=_route(site))
    path, _, query = request.target.partition("?")
    named = _named(path)
    if named is None:
        # Not this API: another one at the same host (S3's), or the service's own pages.
        reads = method in READING and not has_body
        return replace(made, kind=ActionKind.READ) if reads else replace(made, reason="path")
    asked = parse_qs(query, keep_blank_values=True)
    made = replace(made, destination=_location(site, named), presigned="temp_url_sig" in asked)
    if method in READING or method == "DELETE":
        return replace(made, reason="unexpected-body") if has_body else replace(made, kind=ActionKind.READ)
    if reason:
        return replace(made, reason=reason)
    if method == "COPY":
        return _copy(made, request, site, named, has_body=has_body)
    if method not in ("PUT", "POST"):
        return replace(made, reason="operation")
    if "extract-archive" in asked or kind_of(request)[0] == "multipart/form-data":
        return replace(made, kind=ActionKind.UPLOAD)
    if not named.key:
        return _settings(made, request, has_body=has_body)
    if method == "POST":
        return replace(made, reason="unexpected-body") if has_body else replace(made, kind=ActionKind.READ)
    return _put(made, request, site, named, has_body=has_body)


def _put(made: Action, request: Request, site: Site, named: _Where, *, has_body: bool) -> Action:
    sources = [
        (value, request.header("x-copy-from-account") or named.account)
        for value in request.header_values("x-copy-from")
    ]
    sources += [(value, named.account) for value in request.header_values("x-object-manifest")]
    if not sources:
        return replace(made, kind=ActionKind.UPLOAD)
    source = _named(f"/v1/{sources[0][1]}/{sources[0][0].strip().lstrip('/')}")
    if len(sources) > 1 or has_body or source is None or not source.key:
        return replace(made, reason="copy-source")
    return replace(made, kind=ActionKind.COPY, source=_location(site, source))


def _copy(made: Action, request: Request, site: Site, named: _Where, *, has_body: bool) -> Action:
    targets = request.header_values("destination")
    account = request.header("destination-account") or named.account
    target = _named(f"/v1/{account}/{targets[0].strip().lstrip('/')}") if len(targets) == 1 else None
    if has_body or target is None or not target.key or not named.key:
        return replace(made, reason="copy-source")
    return replace(made, kind=ActionKind.COPY, source=made.destination, destination=_location(site, target))


def _settings(made: Action, request: Request, *, has_body: bool) -> Action:
    """Of a container or an account: their metadata, in headers."""
    if has_body:
        return replace(made, reason="unexpected-body")
    exposures = tuple(_exposures(request))
    if not exposures:
        return replace(made, kind=ActionKind.PREPARE)
    return replace(made, kind=ActionKind.EXPOSE, exposures=exposures)


def _exposures(request: Request) -> Iterator[ExposureChange]:
    for name, value in request.headers:
        aspect = EXPOSING.get(name)
        if aspect is None or not value.strip():
            continue
        if name == "x-container-read":
            yield ExposureChange(aspect, name, public=bool(ANYBODY.search(value)), targets=_grantees(value))
        elif aspect == "acl":
            yield ExposureChange(aspect, name, targets=_grantees(value))
        else:
            yield ExposureChange(aspect, name, targets=(value.strip(),) if aspect == "replication" else ())


def _grantees(value: str) -> tuple[str, ...]:
    return tuple(one.strip() for one in value.split(",") if one.strip())[:100]


def _named(path: str) -> _Where | None:
    found = PATH.fullmatch(path)
    if found is None:
        return None
    account, container, key = (unquote(part or "", errors="replace") for part in found.groups())
    if "/" in account or "/" in container or not account:
        return None
    return _Where(account, container, key)


def _location(site: Site, named: _Where) -> Location:
    container = f"{named.account}/{named.container}" if named.container else ""
    return Location(
        site.provider, container, named.key, site.region or Unknown("not-in-site"), site.host, store=site.host
    )


def _route(site: Site) -> Route:
    return Route(country=site.country or Unknown("not-in-site"))
