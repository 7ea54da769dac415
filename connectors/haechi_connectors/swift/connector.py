"""What a request does at a Swift store, and how a refusal looks there. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from haechi.domain.registry import Site
from haechi.domain.upload import Action, Request
from haechi.ports.connector import RefusalText
from haechi.ports.judge import Reply

from haechi_connectors.generic import refusal
from haechi_connectors.swift import wire

SERVICE = "swift"
"""As the registry's ``watched`` names it."""


class SwiftConnector:
    """The wire knowledge of Swift, for the institution's sites alone: no host is Swift's by its name."""

    provider = "openstack"

    def __init__(self, sites: Sequence[Site] = ()) -> None:
        self._sites = {site.host.lower(): site for site in sites if site.service == SERVICE}

    @property
    def scope(self) -> Sequence[str]:
        """The sites' hosts."""
        return tuple(self._sites)

    def claims(self, host: str) -> bool:
        """Whether a site is there."""
        return self._site(host) is not None

    def action(self, request: Request) -> Action:
        """Name what the request does. Total."""
        return wire.action(request, self._certain(request.host))

    def with_document(self, action: Action, document: bytes) -> Action:
        """A list of segments carries nothing, and they were judged when they came."""
        return action

    def with_form(self, action: Action, fields: Mapping[str, str]) -> Action:
        """Where a form post goes stands in its address."""
        return action

    def refusal(self, text: RefusalText, request: Request) -> Reply:
        """Plain text, which Swift's own tools print behind the status."""
        return refusal.reply(text, request)

    def _site(self, host: str) -> Site | None:
        name, colon, port = host.lower().rpartition(":")
        bare = name.rstrip(".") if colon and port in ("443", "80") else host.lower().rstrip(".")
        return self._sites.get(bare)

    def _certain(self, host: str) -> Site:
        site = self._site(host)
        if site is None:
            raise LookupError("asked about a host that is not claimed")
        return site
