"""The local certificate authority: a root, an intermediate constrained to the scope, and leaves minted per host.

Theory. Clients trust the root alone. It signs one intermediate and its key is then destroyed (or kept, if so asked).
The intermediate's name constraints are the scope, on a certificate that is not itself the trust anchor, because Java
ignores constraints on anchors. Nothing is minted out of scope or beyond the constraints. A scope that changes takes
another intermediate, and so another root; where clients would have to be told of that first (enforced mode), the one
that they trust is kept for the names that it is made for, and the others get no certificate. A certificate is replaced
before it ends: leaves from the intermediate, the intermediate from a kept root, and where the root's key is gone, both
anew; whoever hands out the trust bundle asks ``root_pem`` again.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from haechi.domain.errors import HaechiError
from haechi.domain.names import host_name
from haechi.domain.scope import Scope, ScopeMode
from haechi.durable import replace_file
from haechi.inbound.envoy.constraints import UNNAMED, below, constraints, constraints_of, permitted_by

_BACKDATED = dt.timedelta(hours=1)


def utc_now() -> dt.datetime:
    """The system's clock."""
    return dt.datetime.now(dt.UTC)


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long certificates live. A leaf is minted anew in the last third of its life."""

    authority: dt.timedelta = dt.timedelta(days=730)
    leaf: dt.timedelta = dt.timedelta(days=7)


@dataclass(frozen=True, slots=True)
class LeafPair:
    """A host's certificate with the intermediate behind it, and its key; both PEM. From ``renew_at`` on, ask again."""

    host: str
    chain: bytes
    key: bytes
    not_after: dt.datetime
    renew_at: dt.datetime


class Authority:
    """Mints leaves for hosts in scope. Safe to use from several threads."""

    def __init__(
        self,
        folder: Path | None,
        scope: Scope,
        *,
        keep_root: bool = False,
        lifetimes: Lifetimes | None = None,
        now: Callable[[], dt.datetime] = utc_now,
        max_leaves: int = 4096,
    ) -> None:
        self._folder = folder
        self._scope = scope
        self._keep_root = keep_root
        self._lifetimes = lifetimes or Lifetimes()
        self._now = now
        self._max_leaves = max_leaves
        self._keep = False
        self._leaves: OrderedDict[str, LeafPair] = OrderedDict()
        self._lock = threading.Lock()
        self._root: x509.Certificate
        self._intermediate: x509.Certificate
        self._key: ec.EllipticCurvePrivateKey

    @classmethod
    def create(cls, folder: Path | None, scope: Scope, **options: object) -> Authority:
        """Make a new authority; with no folder it lives in memory only. An earlier one in the folder is replaced."""
        made = cls(folder, scope, **options)  # type: ignore[arg-type]
        made._establish()
        return made

    @classmethod
    def load(cls, folder: Path, scope: Scope, **options: object) -> Authority:
        """Take up the authority of a folder. A scope that differs from its constraints gives a new intermediate.

        Raises ``HaechiError``: ``datapath.authority-missing``, ``datapath.authority-unreadable``.
        """
        if not (folder / "root.pem").exists():
            raise HaechiError("datapath.authority-missing", folder=str(folder))
        made = cls(folder, scope, **options)  # type: ignore[arg-type]
        try:
            made._root = x509.load_pem_x509_certificate((folder / "root.pem").read_bytes())
            made._intermediate = x509.load_pem_x509_certificate((folder / "intermediate.pem").read_bytes())
            key = load_pem_private_key((folder / "intermediate.key").read_bytes(), None)
        except (OSError, ValueError) as error:
            raise HaechiError("datapath.authority-unreadable", folder=str(folder)) from error
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != made._intermediate.public_key():
            raise HaechiError("datapath.authority-unreadable", folder=str(folder))
        made._key = key
        made._renew_if_due()
        return made

    @classmethod
    def open(cls, folder: Path, scope: Scope, **options: object) -> Authority:
        """The folder's authority, made if there is none."""
        if (folder / "root.pem").exists():
            return cls.load(folder, scope, **options)
        return cls.create(folder, scope, **options)

    @property
    def scope(self) -> Scope:
        """The names it mints for."""
        return self._scope

    def rescope(self, scope: Scope, *, keep: bool = False) -> bool:
        """Mint for other names from now on. True when that took another root, which clients have to be told of.

        ``keep``: stay with the root there is. Names in scope that it is not made for are ``uncovered`` then.
        """
        with self._lock:
            before = self._root
            self._scope, self._keep = scope, keep
            self._leaves.clear()
            self._renew_if_due()
            return self._root is not before

    @property
    def uncovered(self) -> tuple[str, ...]:
        """Patterns in scope that get no certificate, because the root that clients trust is not made for them."""
        permitted = permitted_by(self._intermediate)
        if permitted is None:
            return ()
        beyond = tuple(pattern for pattern in self._scope.patterns if not below(pattern.removeprefix("*."), permitted))
        return ("*", *beyond) if self._scope.mode is ScopeMode.ALL else beyond

    @property
    def root_pem(self) -> bytes:
        """The certificate that clients trust."""
        return self._root.public_bytes(Encoding.PEM)

    @property
    def intermediate_pem(self) -> bytes:
        """The certificate that signs the leaves."""
        return self._intermediate.public_bytes(Encoding.PEM)

    @property
    def not_after(self) -> dt.datetime:
        """When clients stop trusting it."""
        return min(self._root.not_valid_after_utc, self._intermediate.not_valid_after_utc)

    def leaf(self, host: str) -> LeafPair:
        """The certificate of a host, from the cache while it is fresh.

        Raises ``HaechiError``: ``datapath.name-out-of-scope``, ``datapath.name-not-covered``.
        """
        name = host_name(host)
        if name != UNNAMED and (name not in self._scope or name.startswith("*") or len(name) > 253):
            raise HaechiError("datapath.name-out-of-scope", host=name)
        with self._lock:
            known = self._leaves.get(name)
            if known is not None and self._now() < known.renew_at:
                self._leaves.move_to_end(name)
                return known
            self._renew_if_due()
            permitted = permitted_by(self._intermediate)
            if permitted is not None and not below(name, permitted):
                raise HaechiError("datapath.name-not-covered", host=name)
            made = self._mint(name)
            self._leaves[name] = made
            while len(self._leaves) > self._max_leaves:
                self._leaves.popitem(last=False)
            return made

    def _mint(self, name: str) -> LeafPair:
        key = ec.generate_private_key(ec.SECP256R1())
        now = self._now()
        end = min(now + self._lifetimes.leaf, self._intermediate.not_valid_after_utc)
        common = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name if len(name) <= 64 else "haechi")])
        leaf = (
            _builder(common, self._intermediate.subject, key.public_key(), now, end)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        chain = leaf.public_bytes(Encoding.PEM) + self.intermediate_pem
        return LeafPair(name, chain, _private(key), end, now + (end - now) * 2 / 3)

    def _renew_if_due(self) -> None:
        late = self.not_after - self._now() < self._lifetimes.leaf
        if late or (not self._keep and constraints_of(self._intermediate) != constraints(self._scope)):
            self._keep = False
            self._establish()

    def _establish(self) -> None:
        """Sign an intermediate with the kept root, or make both."""
        now = self._now()
        root_key = self._kept_root(now)
        if root_key is None:
            root_key = ec.generate_private_key(ec.SECP256R1())
            self._root = _authority_certificate(
                "Haechi local root", None, root_key.public_key(), root_key, now, now + self._lifetimes.authority, None
            )
        self._key = ec.generate_private_key(ec.SECP256R1())
        end = min(now + self._lifetimes.authority, self._root.not_valid_after_utc)
        self._intermediate = _authority_certificate(
            "Haechi interception", self._root, self._key.public_key(), root_key, now, end, constraints(self._scope)
        )
        self._leaves.clear()
        self._store(root_key if self._keep_root else None)

    def _kept_root(self, now: dt.datetime) -> ec.EllipticCurvePrivateKey | None:
        if self._folder is None or not (self._folder / "root.key").exists():
            return None
        try:
            key = load_pem_private_key((self._folder / "root.key").read_bytes(), None)
            self._root = x509.load_pem_x509_certificate((self._folder / "root.pem").read_bytes())
        except (OSError, ValueError) as error:
            raise HaechiError("datapath.authority-unreadable", folder=str(self._folder)) from error
        fresh = self._root.not_valid_after_utc - now >= self._lifetimes.leaf
        return key if fresh and isinstance(key, ec.EllipticCurvePrivateKey) else None

    def _store(self, root_key: ec.EllipticCurvePrivateKey | None) -> None:
        if self._folder is None:
            return
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if root_key is not None:
            replace_file(self._folder / "root.key", _private(root_key))
        replace_file(self._folder / "intermediate.key", _private(self._key))
        replace_file(self._folder / "intermediate.pem", self.intermediate_pem)
        replace_file(self._folder / "root.pem", self.root_pem, mode=0o644)


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: dt.datetime, end: dt.datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(end)
    )


def _authority_certificate(
    name: str,
    issuer: x509.Certificate | None,
    key: ec.EllipticCurvePublicKey,
    signer: ec.EllipticCurvePrivateKey,
    now: dt.datetime,
    end: dt.datetime,
    constraints: x509.NameConstraints | None,
) -> x509.Certificate:
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Haechi"),
            # Two authorities of one machine must differ by name, or clients pick the wrong one of the two.
            x509.NameAttribute(NameOID.COMMON_NAME, f"{name} {x509.random_serial_number():x}"[:48]),
        ]
    )
    builder = (
        _builder(subject, issuer.subject if issuer else subject, key, now, end)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0 if issuer else 1), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    if constraints is not None:
        builder = builder.add_extension(constraints, critical=True)
    if issuer is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    return builder.sign(signer, hashes.SHA256())


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
