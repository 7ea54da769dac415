"""Signed permits: exceptions and break-glass, as files that travel by any way and are checked without a network.

A document is JSON: one statement, and a detached signature (JWS) over its canonical form from each approver. Two
different keys under two different names of the trust list have to have signed it, in the role that its kind asks for.
It is bound to one agent by the id of the key that this agent signs its audit with, so it is of no use anywhere else,
and to an end that may not be later than ``LONGEST`` after it was issued.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import Final

import jwt
import msgspec

from haechi.domain.audit import canonical
from haechi.domain.bound import Place
from haechi.domain.errors import HaechiError
from haechi.domain.permit import Permit, PermitKind
from haechi.outbound.trust.keys import SigningKey
from haechi.outbound.trust.store import Role, Signer, Trust
from haechi.ports.clock import Clock

SCHEMA = "haechi.exception/1"
APPROVERS: Final = 2
MAX_DOCUMENT = 64 << 10
MAX_APPROVALS = 8
EARLY = dt.timedelta(minutes=5)
"""By how much the approver's clock may be ahead of this one."""
LONGEST = {PermitKind.EXCEPTION: dt.timedelta(days=7), PermitKind.BREAK_GLASS: dt.timedelta(hours=1)}
"""From issue to end at most: this project's choice, as no document gives a period. Approvers set a shorter one."""

_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
_ROLES = {PermitKind.EXCEPTION: Role.EXCEPTION, PermitKind.BREAK_GLASS: Role.BREAK_GLASS}


class StatedPlace(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One object, as ``haechi.domain.bound.Place``: nothing of it may be left out."""

    provider: str
    store: str
    account: str
    container: str
    key: str


class Statement(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the approvers sign. ``number``, ``issued_at`` and ``expires_at`` are theirs to say; a request has none."""

    schema: str
    id: str
    kind: PermitKind
    agent: str
    user: str
    rules: tuple[str, ...] = ()
    digest: str = ""
    size: int | None = None
    place: StatedPlace | None = None
    reason: str = ""
    number: str = ""
    issued_at: dt.datetime | None = None
    expires_at: dt.datetime | None = None

    def payload(self) -> bytes:
        """What is signed."""
        plain = msgspec.json.decode(msgspec.json.encode(self))
        return canonical(plain)


class Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A statement and what was signed over it."""

    statement: Statement
    approvals: tuple[str, ...] = ()

    def text(self) -> bytes:
        """The file."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"


def document_from(raw: bytes) -> Document:
    """Read a document, its form alone. Raises ``HaechiError('permit.malformed')``."""
    if len(raw) > MAX_DOCUMENT:
        raise HaechiError("permit.malformed", cause=f"more than {MAX_DOCUMENT} bytes")
    try:
        document = msgspec.json.decode(raw, type=Document)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise HaechiError("permit.malformed", cause=str(error)) from error
    statement = document.statement
    if statement.schema != SCHEMA or statement.kind not in _ROLES or len(document.approvals) > MAX_APPROVALS:
        raise HaechiError("permit.malformed", cause="schema, kind or approvals")
    bound = statement.digest and statement.size is not None and statement.place is not None and statement.rules
    if statement.kind is PermitKind.EXCEPTION and not bound:
        raise HaechiError("permit.malformed", cause="an exception names digest, size, place and rules")
    if not _ID.fullmatch(statement.id):
        raise HaechiError("permit.malformed", cause="id")
    return document


def approved(document: Document, key: SigningKey) -> Document:
    """The document with one more signature: for an approver, on his or her machine.

    Raises ``HaechiError``: ``permit.no-end`` where number, issue or end are not said, ``permit.too-long``,
    ``permit.approved-before`` where this key signed it already: it would count once.
    """
    statement = document.statement
    _dated(statement)
    if key.id in signed_by(document):
        raise HaechiError("permit.approved-before", id=statement.id)
    signature = key.sign(_ROLES[statement.kind], statement.payload())
    return Document(statement, (*document.approvals, signature))


@dataclass(frozen=True, slots=True)
class SignedPermits:
    """Implements ``haechi.ports.permits.PermitVerifier``. ``agent`` is the id of this agent."""

    trust: Trust
    clock: Clock
    agent: str

    def verify(self, document: bytes) -> Permit:
        """See the port."""
        read = document_from(document)
        statement = read.statement
        issued, expires = _dated(statement)
        signers = approvers(read, self.trust)
        if statement.agent != self.agent:
            raise HaechiError("permit.other-agent", id=statement.id)
        now = self.clock.now()
        if expires <= now or issued > now + EARLY:
            raise HaechiError("permit.expired", id=statement.id, issued=issued.isoformat(), expires=expires.isoformat())
        place = statement.place
        return Permit(
            id=statement.id,
            kind=statement.kind,
            user=statement.user,
            expires=expires,
            rules=frozenset(statement.rules),
            digest=statement.digest,
            size=statement.size,
            place=Place(**msgspec.structs.asdict(place)) if place else None,
            approvers=tuple(signer.name for signer in signers),
            number=statement.number,
            reason=statement.reason,
        )


def signed_by(document: Document) -> tuple[str, ...]:
    """Ids of the keys that the signatures name; whether they signed, only a trust list can tell.

    Raises ``HaechiError('permit.malformed')`` for what is no signature.
    """
    try:
        return tuple(str(jwt.get_unverified_header(one).get("kid", "")) for one in document.approvals)
    except (jwt.PyJWTError, ValueError, RecursionError) as error:
        raise HaechiError("permit.malformed", cause="approvals") from error


def approvers(document: Document, trust: Trust) -> tuple[Signer, ...]:
    """The people who signed it, each once. Raises ``HaechiError``: ``trust.…``, ``permit.approvals``."""
    payload, role = document.statement.payload(), _ROLES[document.statement.kind]
    found = [trust.verify(role, payload, signature) for signature in document.approvals]
    # A person may hold several keys: the name in the trust list stands for the person. Who asks permits nothing.
    people = {signer.name: signer for signer in found if signer.name and signer.name != document.statement.user}
    if len(people) < APPROVERS or len({signer.key for signer in people.values()}) < APPROVERS:
        raise HaechiError(
            "permit.approvals", id=document.statement.id, wanted=APPROVERS, found=", ".join(sorted(people)) or "–"
        )
    return tuple(people.values())


def _dated(statement: Statement) -> tuple[dt.datetime, dt.datetime]:
    issued, expires = statement.issued_at, statement.expires_at
    if not statement.number or issued is None or expires is None or issued.tzinfo is None or expires.tzinfo is None:
        raise HaechiError("permit.no-end", id=statement.id)
    if expires <= issued or expires - issued > LONGEST[statement.kind]:
        raise HaechiError("permit.too-long", id=statement.id, hours=LONGEST[statement.kind] // dt.timedelta(hours=1))
    return issued, expires
