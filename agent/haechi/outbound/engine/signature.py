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
from haechi.outbound.engine.bundle import bundle_bytes, opened
from haechi.outbound.engine.folder import PolicyFolder, locate, read_texts
from haechi.outbound.engine.texts import bytes_of, revision_of, texts_at
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

    def read(self, place: Path) -> tuple[PolicyFolder, bytes | None]:
        """The policies in a folder or a bundle, and the signature by which they may be put in force; None for what
        ships. Nothing of them is parsed before somebody vouched for it.

        Raises as ``vouch``, and ``policy.unreadable``, ``policy.bundle``, and what ``folder.read`` raises.
        """
        if place.is_dir():
            texts = texts_at(place)
            signature = self._beside(place, revision_of(texts))
            return read_texts(place, texts), signature
        policies = self.bundle(place)
        return policies, policies.token

    def bundle(self, file: Path) -> PolicyFolder:
        """The policies in a bundle. Raises as ``read``."""
        return opened(bundle_bytes(file), file, lambda token: self._within(file, token))

    def vouch(self, policies: PolicyFolder) -> bytes | None:
        """The signature by which they may be put in force; None for what ships.

        Raises ``HaechiError``: ``policy.unsigned``, ``policy.bundle-unsigned``, or the trust store's for a signature
        that does not hold.
        """
        if not policies.bundle:
            return self._beside(policies.path, policies.revision)
        self._within(policies.path, policies.token)
        self.holds(policies.revision, policies.token)
        return policies.token

    def _beside(self, folder: Path, revision: str) -> bytes | None:
        if _ships(folder, revision):
            return None
        try:
            signature = bytes_of(folder / SIGNATURE, LIMIT)
        except OSError as error:
            raise HaechiError("policy.unsigned", folder=str(folder)) from error
        _told(self.holds(revision, signature))
        return signature

    def _within(self, bundle: Path, token: bytes) -> bytes:
        """What a bundle's token says, if it counts."""
        if not token:
            raise HaechiError("policy.bundle-unsigned", file=str(bundle))
        payload, signer = self.trust.open(Role.POLICY, token)
        _told(signer)
        return payload

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


def _told(signer: Signer) -> None:
    _log.info("policies-signed-by", key=signer.key, name=signer.name)


def _ships(folder: Path, revision: str) -> bool:
    """Whether these are the policies that ship with this program. Their own folder need not be read a second time."""
    try:
        shipped = locate()
        return folder == shipped or revision == revision_of(texts_at(shipped))
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
