"""Amazon S3, and stores that speak its API: what a request does, and how a refusal looks. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

from haechi.domain.registry import Site
from haechi.domain.upload import Action, ActionKind, Request
from haechi.ports.connector import RefusalText
from haechi.ports.judge import Reply

from haechi_connectors.heads import AmbiguousError
from haechi_connectors.s3 import clear, details, documents, places, refusal, wire
from haechi_connectors.s3.hosts import PROVIDER, Hosts

TAGGING = ("PutObjectTagging", "PutBucketTagging", "CreateJob")
"""Operations whose document gives tags to what is stored."""


class S3Connector:
    """The wire knowledge of S3, as ``haechi.ports.connector.Connector`` asks for it."""

    def __init__(self, sites: Sequence[Site] = ()) -> None:
        self._hosts = Hosts(sites)
        self._find = lru_cache(maxsize=1024)(self._hosts.find)

    @property
    def provider(self) -> str:
        """``aws``; single actions carry the provider of their site."""
        return PROVIDER

    @property
    def scope(self) -> Sequence[str]:
        """Host patterns to intercept: all names of the provider, for a bucket may stand anywhere below them."""
        return self._hosts.scope

    def claims(self, host: str) -> bool:
        """Whether a host is S3's. Other services of the provider (also s3tables, s3vectors, s3files) are not."""
        return self._find(host) is not None

    def action(self, request: Request) -> Action:
        """Name what the request does. Total: see ``Connector``."""
        return wire.action(request, self._find(request.host))

    def with_document(self, action: Action, document: bytes) -> Action:
        """Complete the action from its control document. Total."""
        if action.operation in TAGGING and len(document) <= documents.LARGEST:
            action = replace(action, said=(*action.said, *clear.tagged(document)))
        return places.located(documents.completed(action, document))

    def with_form(self, action: Action, fields: Mapping[str, str]) -> Action:
        """Complete a form upload from the fields before its file (lower-case names). Total."""
        key = fields.get("key", "")
        destination = action.destination and replace(action.destination, key=key)
        action = replace(action, said=(*action.said, *clear.said("", key, fields)))
        access = fields.get("x-amz-credential", "").partition("/")[0] or fields.get("awsaccesskeyid", "")
        try:
            encryption = details.encryption(fields)
        except AmbiguousError as problem:
            return replace(action, kind=ActionKind.UNRECOGNISED, destination=destination, reason=problem.reason)
        exposures = (*details.grants(fields, "acl"), *details.grants({"x-amz-acl": fields.get("x-amz-acl", "")}))
        coding = fields.get("content-encoding", "")
        codings = tuple(c.strip().lower() for c in coding.split(",") if c.strip())
        named = replace(
            action,
            destination=destination,
            encryption=encryption,
            exposures=exposures,
            access_key=access or action.access_key,
            body=replace(action.body, content_encodings=codings or action.body.content_encodings),
        )
        return named if key else replace(named, kind=ActionKind.UNRECOGNISED, reason="form-without-key")

    def refusal(self, text: RefusalText, request: Request) -> Reply:
        """S3's own error, which its tools print and do not try again."""
        return refusal.reply(text, request)
