"""The keys that are trusted to sign, and signing itself. Nothing here knows what it signs."""

from haechi.outbound.trust.file import TrustFile
from haechi.outbound.trust.keys import KeyKind, SigningKey, load_public_key, thumbprint
from haechi.outbound.trust.releases import SignedReleases
from haechi.outbound.trust.store import Role, Signer, Trust, TrustedKey, TrustStore

__all__ = [
    "KeyKind",
    "Role",
    "SignedReleases",
    "Signer",
    "SigningKey",
    "Trust",
    "TrustFile",
    "TrustStore",
    "TrustedKey",
    "load_public_key",
    "thumbprint",
]
