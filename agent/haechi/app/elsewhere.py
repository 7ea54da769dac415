"""A store that is not there: it answers what a tool asks before it uploads, for the hosts of open proofs alone.

git, gsutil and gcloud ask their server first, and get no further with dummy credentials. The agent answers in the
server's place, without asking anybody; what brings content goes to the real judge, which refuses it like any other.
Nothing is forwarded that was answered here.

=====================================  =================================================
asked                                  answer
=====================================  =================================================
``…/info/refs?service=git-…``          an empty repository
``/storage/v1/b/BUCKET/o?…``           an empty list (Cloud Storage, JSON)
``/storage/v1/b/BUCKET``               a bucket (the same)
anything else that only reads          404
=====================================  =================================================
"""

from __future__ import annotations

import json
import re
from collections.abc import Container
from dataclasses import dataclass
from urllib.parse import parse_qs

from haechi.domain.names import names_agree
from haechi.domain.proof import token_of
from haechi.domain.upload import ActionKind, Framing, Request
from haechi.ports.connector import Connector
from haechi.ports.judge import Connection, Forward, Judge, Judging, Refuse, Reply

_BUCKET = re.compile(r"/storage/v1/b/(?P<bucket>[^/]+)")
_SERVICES = ("git-receive-pack", "git-upload-pack")
_NO_COMMIT = "0" * 40


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """``Judge`` before the real one. ``open_proofs`` holds the tokens that are given out and not yet taken back."""

    judge: Judge
    connector: Connector
    open_proofs: Container[str]

    def open(self, connection: Connection, request: Request) -> Judging:
        """As ``Judge``."""
        token = token_of(request.host)
        if not token or token not in self.open_proofs:
            return self.judge.open(connection, request)
        action = self.connector.action(request)
        only_asks = action.kind is ActionKind.READ and action.body.framing in (Framing.NONE, Framing.PLAIN)
        empty = not (action.body.wire_length or 0) and request.header("transfer-encoding") is None
        if only_asks and empty and names_agree(connection.connect, connection.sni, request.host):
            return _Answered(answer(request))
        return self.judge.open(connection, request)


@dataclass(frozen=True, slots=True)
class _Answered:
    """A request that carries nothing, answered on the spot."""

    reply: Reply

    async def head(self) -> Refuse:
        """The answer; ``Refuse`` is the judge's word for answering in the store's place."""
        return Refuse(self.reply)

    async def piece(self, data: bytes | memoryview, last: bool) -> Forward | Refuse:
        """Nothing may follow."""
        return Refuse(self.reply)

    async def overflow(self) -> Refuse:
        """Nothing is spooled."""
        return Refuse(self.reply)

    @property
    def heeds(self) -> bool:
        """No store is asked."""
        return False

    async def answered(self, status: int) -> None:
        """No store is asked."""

    async def abandoned(self, cause: str) -> None:
        """Nothing was begun."""


def answer(request: Request) -> Reply:
    """What an empty store says. Total."""
    path, _, query = request.target.partition("?")
    service = next(iter(parse_qs(query).get("service", ())), "")
    if path.endswith("/info/refs") and service in _SERVICES:
        return _repository(service)
    bucket = _BUCKET.match(path)
    if bucket and path[bucket.end() :] in ("/o", "/o/"):
        return _json(200, {"kind": "storage#objects"})
    if bucket and bucket.end() == len(path):
        name = bucket["bucket"]
        return _json(200, {"kind": "storage#bucket", "id": name, "name": name, "location": "ASIA-NORTHEAST3"})
    return _json(404, {"error": {"code": 404, "message": "haechi doctor: nothing is here"}})


def _repository(service: str) -> Reply:
    """gitprotocol-http, smart server: a repository without any reference."""
    first = f"{_NO_COMMIT} capabilities^{{}}\0report-status side-band-64k delete-refs ofs-delta\n"
    body = f"{_packet(f'# service={service}' + chr(10))}0000{_packet(first)}0000".encode()
    kind = f"application/x-{service}-advertisement"
    return Reply(200, (("content-type", kind), ("cache-control", "no-cache")), body)


def _packet(text: str) -> str:
    return f"{len(text) + 4:04x}{text}"


def _json(status: int, body: object) -> Reply:
    return Reply(status, (("content-type", "application/json"),), json.dumps(body).encode())
