"""Google Cloud Storage: what a request does, and how a refusal looks. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

from haechi.domain.upload import Action, ActionKind, Framing, Request
from haechi.ports.connector import RefusalText
from haechi.ports.judge import Reply

from haechi_connectors.gcs import clear, details, documents, hosts, refusal, wire
from haechi_connectors.generic.connector import GenericConnector
from haechi_connectors.heads import AmbiguousError

FIELD = "metadata"
"""Where the document before a related object is found (``payload.related``)."""


class GcsConnector:
    """The wire knowledge of Google Cloud Storage, as ``haechi.ports.connector.Connector`` asks for it."""

    provider = hosts.PROVIDER

    def __init__(self) -> None:
        self._find = lru_cache(maxsize=1024)(hosts.find)
        self._others = GenericConnector()

    @property
    def scope(self) -> Sequence[str]:
        """Host patterns to intercept."""
        return hosts.scope()

    def claims(self, host: str) -> bool:
        """Whether a host is the store's. Other services of the provider are not."""
        return self._find(host) is not None

    def action(self, request: Request) -> Action:
        """Name what the request does. Total: see ``Connector``. Other services behind the same host are any host."""
        host = self._find(request.host)
        if host is not None and not wire.speaks(request, host):
            return self._others.action(request)
        return wire.action(request, host)

    def with_document(self, action: Action, document: bytes) -> Action:
        """Complete the action from its control document. Total."""
        return documents.completed(action, document)

    def with_form(self, action: Action, fields: Mapping[str, str]) -> Action:
        """Complete an object with a document before it, or a form from the fields before its file. Total."""
        if action.body.framing is Framing.RELATED:
            made = documents.completed(action, fields.get(FIELD, "").encode())
            named = made.destination is not None and made.destination.key
            return made if named else replace(made, kind=ActionKind.UNRECOGNISED, reason="no-name")
        key = fields.get("key", "")
        destination = action.destination and replace(action.destination, key=key)
        neutral = {f"x-goog-{name[6:]}" if name.startswith("x-amz-") else name: value for name, value in fields.items()}
        told = tuple(dict.fromkeys((*action.said, *clear.said("", key, neutral))))
        access = neutral.get("x-goog-credential", "").partition("/")[0] or fields.get("googleaccessid", "")
        try:
            encryption = details.encryption(neutral, {})
        except AmbiguousError as problem:
            return replace(action, kind=ActionKind.UNRECOGNISED, destination=destination, reason=problem.reason)
        named_form = replace(
            action,
            destination=destination,
            encryption=encryption,
            exposures=details.grants(neutral, {}),
            access_key=access or action.access_key,
            body=replace(action.body, content_encodings=details.codings(fields.get("content-encoding", ""))
                         or action.body.content_encodings),
            said=told,
        )  # fmt: skip
        return named_form if key else replace(named_form, kind=ActionKind.UNRECOGNISED, reason="form-without-key")

    def refusal(self, text: RefusalText, request: Request) -> Reply:
        """Google's own error, which its tools print and do not try again."""
        host = self._find(request.host)
        if host is not None and not wire.speaks(request, host):
            return self._others.refusal(text, request)
        return refusal.reply(text, request, virtual=bool(host and host.bucket))
