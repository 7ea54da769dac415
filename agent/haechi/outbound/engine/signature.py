"""Which policies may be put in force: those that ship with this program, and those that a trusted key signed.

What ships is recognised by its digest, wherever it lies; any change (a mode, a severity, the scope, a rule, a word)
needs a signature by a key with the role *policy*. For a folder it is a detached JWS over the digest, in
``policies.sig`` in the folder; for a bundle, the token in it, which names the digest. A bundle is always signed, also
one of what ships: its issue is nobody's but the institution's.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec
import structlog

from haechi.domain.errors import HaechiError
from haechi.outbound.engine.folder import PolicyFolder, locate, read
from haechi.outbound.trust.store import Role, Signer, Trust

SIGNATURE = "policies.sig"
LIMIT = 64 << 10
_DETACHED = b".."
"""A signature without what it is over."""
_log = structlog.get_logger(__name__)


class _Said(msgspec.Struct, frozen=True):
    """What a bundle's token says, as far as it matters here."""

    revision: str


@dataclass(frozen=True, slots=True)
class SignedPolicies:
    """Accepts or refuses a folder that was read."""

    trust: Trust

    def __call__(self, policies: PolicyFolder) -> None:
        """Raises as ``vouch``."""
        self.vouch(policies)

    def vouch(self, policies: PolicyFolder) -> bytes | None:
        """The signature by which they may be put in force; None for what ships.

        Raises ``HaechiError``: ``policy.unsigned``, ``policy.bundle-unsigned``, or the trust store's for a signature
        that does not hold.
        """
        if policies.bundle:
            if not policies.token:
                raise HaechiError("policy.bundle-unsigned", file=str(policies.path))
            return self._told(policies, policies.token)
        if _ships(policies):
            return None
        file = policies.path / SIGNATURE
        try:
            with file.open("rb") as opened:
                signature = opened.read(LIMIT)
        except OSError as error:
            raise HaechiError("policy.unsigned", folder=str(policies.path)) from error
        return self._told(policies, signature)

    def _told(self, policies: PolicyFolder, signature: bytes) -> bytes:
        signer = self.holds(policies.revision, signature)
        _log.info("policies-signed-by", key=signer.key, name=signer.name)
        return signature

    def holds(self, revision: str, signature: bytes) -> Signer:
        """Whether a signature still vouches for policies. Raises ``HaechiError('trust.…')``."""
        if _DETACHED in signature:
            return self.trust.verify(Role.POLICY, revision.encode("ascii"), signature)
        payload, signer = self.trust.open(Role.POLICY, signature)
        try:
            said = msgspec.json.decode(payload, type=_Said)
        except msgspec.DecodeError as error:
            raise HaechiError("trust.signature-malformed", role=Role.POLICY) from error
        if said.revision != revision:
            raise HaechiError("trust.signature-wrong", role=Role.POLICY, key=signer.key)
        return signer


def _ships(policies: PolicyFolder) -> bool:
    """Whether these are the policies that ship with this program. Their own folder need not be read a second time."""
    try:
        shipped = locate()
        return policies.path == shipped or policies.revision == read(shipped).revision
    except HaechiError:
        return False


def sign_into(policies: PolicyFolder, signature: str) -> Path:
    """Put a signature beside the policies. Raises ``HaechiError('policy.unreadable')``."""
    file = policies.path / SIGNATURE
    try:
        file.write_text(signature + "\n", encoding="ascii")
    except OSError as error:
        raise HaechiError("policy.unreadable", folder=str(policies.path), why=error.strerror or "") from error
    return file
