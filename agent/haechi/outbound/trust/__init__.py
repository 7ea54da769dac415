"""The keys that are trusted to sign, and signing itself. Nothing here knows what it signs."""

from haechi.outbound.trust.keys import SigningKey, load_public_key, thumbprint
from haechi.outbound.trust.releases import SignedReleases
from haechi.outbound.trust.store import Role, Signer, TrustedKey, TrustStore

__all__ = [
    "Role",
    "SignedReleases",
    "Signer",
    "SigningKey",
    "TrustStore",
    "TrustedKey",
    "load_public_key",
    "thumbprint",
]
