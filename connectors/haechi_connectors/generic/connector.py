"""The last connector: it claims every host and knows only what HTTP, WebDAV and git themselves say.

A method with a body uploads; where to is known by name alone, so a policy that asks for facts finds them unknown. Used
for watched hosts and for services of a provider that no connector describes.

What becomes of a body there nobody knows, so all that it may wrap is looked for (``haechi.payload.wrapped``).

============================================  ==============================================================
request                                       action
============================================  ==============================================================
GET, HEAD, PROPFIND, DELETE … without a body  read
GET, HEAD … with a body                       unrecognised: servers disagree about it
MKCOL without a body                          prepare
COPY, MOVE (WebDAV)                           copy, to the address in ``Destination``
BIND, REBIND (WebDAV), a header that names a  unrecognised: what lies elsewhere gets another name
source (``x-ms-copy-source`` and its like),
a header that makes another method of it
ACL (WebDAV)                                  expose
``Upload-Offset``, ``Content-Range``          upload of a piece (``pieces``)
anything else                                 upload
============================================  ==============================================================
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from urllib.parse import unquote, urlsplit

from haechi.domain.facts import Unknown
from haechi.domain.names import host_name
from haechi.domain.upload import Action, ActionKind, BodyShape, ExposureChange, Framing, Location, Request
from haechi.ports.connector import RefusalText
from haechi.ports.judge import Reply

from haechi_connectors.generic import refusal
from haechi_connectors.generic.pieces import piece, size_of
from haechi_connectors.generic.shape import announces_body, kind_of, length_of, shape_of

READS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
"""Methods that have no body, or one without a meaning (RFC 9110 §9.3)."""
BODILESS_READS = READS | {"DELETE", "PROPFIND", "REPORT", "SEARCH", "QUERY", "LOCK", "UNLOCK"}
"""What moves and opens nothing while it has no body."""
COPIES = frozenset({"COPY", "MOVE"})
COLLECTIONS = frozenset({"MKCOL", "MKCALENDAR"})
DAV = COPIES | COLLECTIONS | {"PROPFIND", "PROPPATCH", "REPORT", "SEARCH", "LOCK", "UNLOCK", "ACL", "BIND", "REBIND"}
BINDINGS = frozenset({"BIND", "REBIND"})
OVERRIDES = ("x-http-method-override", "x-http-method", "x-method-override")
SOURCES = re.compile(r"x-(?:[a-z0-9-]+-)?(?:copy|move|rename|append)-(?:source|from)")
"""Headers by which stores of any kind take what lies elsewhere: S3 and its like, Azure Files, Swift."""
PUSH = "application/x-git-receive-pack-request"


class GenericConnector:
    """Claims every host."""

    provider = "unknown"

    def __init__(self, scope: Sequence[str] = ()) -> None:
        self.scope = tuple(scope)

    def claims(self, host: str) -> bool:
        """Every host; so it stands last."""
        return True

    def action(self, request: Request) -> Action:
        """See the module's table."""
        method, length = request.method.upper(), length_of(request)
        has_body = announces_body(request)
        action = Action(self.provider, _service(request, method), method, ActionKind.UPLOAD, self._place(request))
        hidden = _hidden(request, method)
        if hidden:
            body = shape_of(request, length)[0] if has_body else BodyShape()
            return replace(action, kind=ActionKind.UNRECOGNISED, body=body, reason=hidden)
        if not has_body and method in BODILESS_READS:
            return replace(action, kind=ActionKind.READ)
        if not has_body and method in COLLECTIONS:
            return replace(action, kind=ActionKind.PREPARE)
        if method in COPIES:
            return self._copy(action, request, has_body=has_body)
        shape, reason = shape_of(request, length)
        if method == "ACL":
            document = replace(shape, framing=Framing.DOCUMENT if has_body else Framing.NONE)
            return replace(action, kind=ActionKind.EXPOSE, body=document, exposures=(ExposureChange("acl"),))
        if shape.wire_length is None and shape.framing is Framing.PLAIN:
            shape = replace(shape, wire_length=size_of(request))
        assembly, unclear = piece(request, length)
        reason = reason or unclear
        if method in READS or reason:
            return replace(action, kind=ActionKind.UNRECOGNISED, body=shape, reason=reason)
        return replace(action, body=shape, assembly=assembly)

    def with_document(self, action: Action, document: bytes) -> Action:
        """Nothing is known of documents here."""
        return action

    def with_form(self, action: Action, fields: Mapping[str, str]) -> Action:
        """Nothing is known of forms here: where they go is known by the host alone."""
        return action

    def refusal(self, text: RefusalText, request: Request) -> Reply:
        """Readable for whoever asked: see ``refusal``."""
        return refusal.reply(text, request)

    def _place(self, request: Request) -> Location:
        path = request.target.partition("?")[0]
        return self._location(request.host, path)

    def _location(self, host: str, path: str) -> Location:
        key = unquote(path, errors="replace").lstrip("/")
        return Location(self.provider, host_name(host), key, Unknown("unknown-service"), host)

    def _copy(self, action: Action, request: Request, *, has_body: bool) -> Action:
        """RFC 4918 §9.8, §9.9: where to stands in a header, which may name another host."""
        body = shape_of(request, length_of(request))[0] if has_body else BodyShape()
        unclear = replace(action, kind=ActionKind.UNRECOGNISED, body=body, reason="destination")
        named = request.header_values("destination")
        if has_body or len(named) != 1:
            return replace(unclear, reason="unexpected-body") if has_body else unclear
        try:
            url = urlsplit(named[0].strip())
        except ValueError:
            return unclear
        if not url.path.startswith("/") or url.scheme not in ("", "http", "https"):
            return unclear
        there = self._location(url.netloc.rpartition("@")[2].lower() or request.host, url.path)
        return replace(action, kind=ActionKind.COPY, source=action.destination, destination=there)


def _hidden(request: Request, method: str) -> str:
    """Why a request may give away what lies elsewhere although it carries none of it; empty where it does not."""
    if method in BINDINGS:
        return "binding"
    if method not in READS and any(SOURCES.fullmatch(name) for name, _ in request.headers):
        return "copy-source"
    named = {value.strip().upper() for name in OVERRIDES for value in request.header_values(name)} - {method}
    if named & (COPIES | BINDINGS | {"ACL"}) or (method in BODILESS_READS and named - BODILESS_READS):
        return "method-override"
    return ""


def _service(request: Request, method: str) -> str:
    if kind_of(request)[0] == PUSH:
        return "git"
    return "webdav" if method in DAV else "http"
