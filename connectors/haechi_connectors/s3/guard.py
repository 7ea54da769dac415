"""The guard of boto3 and botocore, on their own events.

==================  ==================================================================================
event               what the guard does
==================  ==================================================================================
``before-call``     with ``comply``: what the agent says is put into the request, before checksums and signature
``before-send``     the agent judges the signed request; a refusal is the answer in the store's place, which
                    the SDK parses like any other: ``ClientError`` with ``AccessDenied`` and the agent's words
``after-call``      what was made compliant stands in ``ResponseMetadata["Haechi"]``
==================  ==================================================================================

Loads no SDK: a client that exists has brought it. Must not know policies.
"""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final

from haechi.domain.errors import HaechiError
from haechi.domain.upload import Request
from haechi.ports.connector import RefusalText
from haechi.ports.guard import Asked, Body
from haechi.ports.judge import Reply

from haechi_connectors.bodies import Shown
from haechi_connectors.mending import READING, head_of, opened, sealed, told, unjudged, unmended
from haechi_connectors.s3 import refusal
from haechi_connectors.s3.bodies import in_file, rewinding, unhurried
from haechi_connectors.s3.transfers import KMS, guard_transfers

SERVICES: Final = ("s3", "s3control")
NAME: Final = "haechi-guard"
MODE: Final = "x-amz-server-side-encryption"
KEY_ID: Final = "x-amz-server-side-encryption-aws-kms-key-id"
MADE_OF_THE_BODY: Final = ("content-md5", "content-length", "x-amz-decoded-content-length")
"""Headers that speak of bytes which are no longer sent, beside all checksums."""


class S3Guard:
    """Implements ``haechi.ports.guard.Guard``."""

    def knows(self, client: Any) -> bool:
        """An S3 client, or a resource of one."""
        sdk = sys.modules.get("botocore.client")
        client = _client(client)
        return sdk is not None and isinstance(client, sdk.BaseClient) and _service(client) in SERVICES

    def put_on(self, client: Any, agent: Asked, *, comply: bool) -> None:
        """See the port."""
        client = _client(client)
        other = sys.modules.get("aiobotocore.client")
        if other is not None and isinstance(client, other.AioBaseClient):
            from haechi_connectors.s3.asynchronous import GuardedAsync

            GuardedAsync(client, agent, comply).register()
            return
        guarded = Guarded(client, agent, comply)
        guarded.register()
        guard_transfers(client, agent, guarded.head_of_put if comply else None)


GUARD: Final = S3Guard()


class Guarded:
    """One client with its guard. Holds nothing of a request: a client is used by many threads."""

    def __init__(self, client: Any, agent: Asked, comply: bool) -> None:
        self._client, self._agent, self._comply = client, agent, comply
        self._proxies = _proxies(client)
        self._wanted = threading.local()

    def register(self) -> None:
        """In the place of an earlier guard."""
        events = self._client.meta.events
        wanted: dict[str, Callable[..., Any]] = {"before-send": self._before_send}
        if self._comply:
            wanted |= {"before-call": self._before_call, "after-call": self._after_call}
        for event in ("before-send", "before-call", "after-call"):
            events.unregister(event, unique_id=f"{NAME}-{event}")
        for event, handler in wanted.items():
            # First: what another handler answers or sends in the store's place has not been judged.
            events.register_first(event, handler, unique_id=f"{NAME}-{event}")

    def _before_send(self, request: Any, **_: Any) -> Any:
        if request.body is None and request.method in READING:
            return None
        head = head_of(request.method, request.url, request.headers)
        try:
            reply = self._judged(request, head)
        except HaechiError as error:
            reply = unanswered(error, head)
        return _response(request.url, reply) if reply is not None else None

    def _judged(self, request: Any, head: Request) -> Reply | None:
        shown, body = Shown(request.body, in_file, rewinding), request.body
        with unhurried(body):
            try:
                return self._asked(head, shown.offer())
            finally:
                request.body = shown.after()

    def _asked(self, head: Request, body: Body) -> Reply | None:
        return self._agent.judge(head, body, self._proxies.get(head.scheme, ""))

    def _before_call(self, model: Any, params: Any, context: Any, **_: Any) -> Any:
        """Raises ``HaechiError`` for nothing: what could not be made compliant is judged as it is."""
        if model.name != "PutObject":
            return None
        head = head_of(params["method"], params["url"], params["headers"])
        wanted = getattr(self._wanted, "heads", None)
        if wanted is not None:
            wanted.append(head)
            return _response(params["url"], Reply(200, (), b"")), {}
        name = head.target.partition("?")[0]
        try:
            with opened(params.get("body"), in_file, rewinding) as source:
                mending = self._agent.mending(head, source.fileno(), name)
                if mending.seal:
                    params["body"] = sealed(self._agent, source, name)
        except HaechiError as error:
            unmended(error)
            return None
        if mending.seal:
            for header in [one for one in params["headers"] if _of_the_body(one)]:
                del params["headers"][header]
        if mending.key:
            params["headers"].update({MODE: KMS, KEY_ID: mending.key})
        if mending.seal or mending.key:
            context[NAME] = told(mending, name)
        return None

    def head_of_put(self, bucket: str, key: str, extra: Mapping[str, Any]) -> Request:
        """The head of the ``PutObject`` that would send an object, as this client makes it. Nothing is sent."""
        heads: list[Request] = []
        self._wanted.heads = heads
        try:
            self._client.put_object(Bucket=bucket, Key=key, **extra)
        finally:
            self._wanted.heads = None
        return heads[0]

    def _after_call(self, parsed: Any, context: Any, **_: Any) -> None:
        if NAME in context and isinstance(parsed, dict):
            parsed.setdefault("ResponseMetadata", {})["Haechi"] = context[NAME]


def unanswered(error: HaechiError, head: Request) -> Reply:
    """The refusal where nobody judged."""
    return refusal.reply(RefusalText("AccessDenied", unjudged(error), ""), head)


def _client(client: Any) -> Any:
    """A resource's client, else what it is."""
    return getattr(getattr(client, "meta", None), "client", client)


def _service(client: Any) -> str:
    return str(client.meta.service_model.service_name)


def _proxies(client: Any) -> Mapping[str, str]:
    """The proxies that the SDK takes, by scheme."""
    named = client.meta.config.proxies
    if named is not None:
        return dict(named)
    from botocore.utils import get_environ_proxies

    return dict(get_environ_proxies(client.meta.endpoint_url))


def _of_the_body(name: str) -> bool:
    return name.lower() in MADE_OF_THE_BODY or name.lower().startswith("x-amz-checksum-")


class _Raw(io.BytesIO):
    """What the SDK reads an answer from."""

    def stream(self, **_: Any) -> Any:
        """All of it at once."""
        piece = self.read()
        if piece:
            yield piece


def _response(url: str, reply: Reply) -> Any:
    from botocore.awsrequest import AWSResponse

    headers: Any = dict(reply.headers)
    return AWSResponse(url, reply.status, headers, _Raw(reply.body))
