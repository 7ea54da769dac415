"""People who approve exceptions and break the glass: keys, a trust list, and what they sign."""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec
from haechi.domain.permit import PermitKind
from haechi.outbound.trust import Role, SigningKey, TrustedKey, TrustStore
from haechi.outbound.trust.exceptions import SCHEMA, Document, SignedPermits, StatedPlace, Statement, approved
from haechi.ports.clock import Clock

from tests.policy.base import OURS

AGENT = "agent-1"


class Approvers:
    """Lee and Park, whose keys are trusted; ``verifier`` is what agent ``AGENT`` checks by."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.keys = {name: SigningKey.generate() for name in ("lee", "park", "lee-2")}
        self.revoked: set[str] = set()

    @property
    def trust(self) -> TrustStore:
        """The list now."""
        roles = frozenset({Role.EXCEPTION, Role.BREAK_GLASS})
        listed = [
            TrustedKey(key.id, key.public, roles, name.removesuffix("-2"), revoked=name in self.revoked)
            for name, key in self.keys.items()
        ]
        return TrustStore(listed, self.clock, "approvers")

    @property
    def verifier(self) -> SignedPermits:
        """Follows the list."""
        return SignedPermits(self, self.clock, AGENT)

    revision = "approvers"

    def verify(self, role: str, payload: bytes, signature: bytes | str) -> Any:
        """As the list now has it."""
        return self.trust.verify(role, payload, signature)

    def open(self, role: str, token: bytes | str) -> Any:
        """As the list now has it."""
        return self.trust.open(role, token)

    def statement(self, **said: Any) -> Statement:
        """An exception of an hour; ``place`` as ``bucket/key``."""
        container, _, key = said.pop("place", "abroad/lot.csv").partition("/")
        store, account = said.pop("store", ""), said.pop("account", OURS)
        now = self.clock.now()
        wanted: dict[str, Any] = {
            "schema": SCHEMA,
            "id": "ex-1",
            "kind": PermitKind.EXCEPTION,
            "agent": AGENT,
            "user": "kim",
            "rules": ("r13_layer1",),
            "digest": "blake3:" + "0" * 64,
            "size": 1,
            "place": StatedPlace("aws", store, account, container, key),
            "reason": "recovery test",
            "number": "2026-17",
            "issued_at": now,
            "expires_at": now + dt.timedelta(hours=1),
        }
        return Statement(**(wanted | said))

    def break_glass(self, **said: Any) -> Statement:
        """Ten minutes, bound to nothing but the user and the agent."""
        end = self.clock.now() + dt.timedelta(minutes=10)
        wide = {"kind": PermitKind.BREAK_GLASS, "rules": (), "digest": "", "size": None, "expires_at": end}
        return msgspec.structs.replace(self.statement(**(wide | said)), place=None)

    def sign(self, statement: Statement, *names: str) -> bytes:
        """The document with the signatures of these people."""
        alone = [approved(Document(statement), self.keys[name]) for name in names or ("lee", "park")]
        return Document(statement, tuple(one.approvals[0] for one in alone)).text()
