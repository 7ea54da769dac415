"""Azure Blob Storage and Data Lake: what a request does, and how a refusal looks. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

from haechi.domain.registry import Site
from haechi.domain.upload import Action, Request
from haechi.ports.connector import RefusalText
from haechi.ports.judge import Reply

from haechi_connectors.azure import documents, refusal, wire
from haechi_connectors.azure.hosts import PROVIDER, Hosts


class AzureConnector:
    """The wire knowledge of Azure's blobs, as ``haechi.ports.connector.Connector`` asks for it."""

    def __init__(self, sites: Sequence[Site] = ()) -> None:
        self._hosts = Hosts(sites)
        self._find = lru_cache(maxsize=1024)(self._hosts.find)

    @property
    def provider(self) -> str:
        """``azure``; single actions carry the provider of their site."""
        return PROVIDER

    @property
    def scope(self) -> Sequence[str]:
        """Host patterns to intercept: all storage of the provider, for accounts stand below it."""
        return self._hosts.scope

    def claims(self, host: str) -> bool:
        """Whether a host is of the blob, Data Lake or website service. Files, queues and tables are not."""
        return self._find(host) is not None

    def action(self, request: Request) -> Action:
        """Name what the request does. Total: see ``Connector``."""
        return wire.action(request, self._find(request.host), self._hosts)

    def with_document(self, action: Action, document: bytes) -> Action:
        """Complete the action from its control document. Total."""
        return documents.completed(action, document)

    def with_form(self, action: Action, fields: Mapping[str, str]) -> Action:
        """The service takes no forms: a body is what it is."""
        return action

    def refusal(self, text: RefusalText, request: Request) -> Reply:
        """Azure's own error, which its tools print and do not try again."""
        host = self._find(request.host)
        return refusal.reply(text, request, lake=host is not None and host.service == "dfs")
