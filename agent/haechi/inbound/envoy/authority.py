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
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from haechi.domain.errors import HaechiError
from haechi.domain.names import host_name
from haechi.domain.scope import Scope, ScopeMode
from haechi.inbound.envoy.constraints import UNNAMED, below, constraints, constraints_of, permitted_by
from haechi.inbound.envoy.issuer import Issuer, is_kept, keep_issuer, private_pem, read_issuer

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
        keep: bool = False,
        lifetimes: Lifetimes | None = None,
        now: Callable[[], dt.datetime] = utc_now,
        max_leaves: int = 4096,
    ) -> None:
        """``keep_root``: keep the root's key. ``keep``: stay with the root there is, as in ``rescope``."""
        self._folder = folder
        self._scope = scope
        self._keep_root = keep_root
        self._lifetimes = lifetimes or Lifetimes()
        self._now = now
        self._max_leaves = max_leaves
        self._keep = keep
        self._leaves: OrderedDict[str, LeafPair] = OrderedDict()
        self._lock = threading.Lock()
        self._issuer: Issuer
        self.problem: HaechiError | None = None
        """Why certificates that end soon could not be renewed."""

    @classmethod
    def create(cls, folder: Path | None, scope: Scope, **options: object) -> Authority:
        """Make a new authority; with no folder it lives in memory only. An earlier one in the folder is replaced.

        Raises ``HaechiError('datapath.authority-unwritable')``.
        """
        made = cls(folder, scope, **options)  # type: ignore[arg-type]
        made._establish(scope, None)
        return made

    @classmethod
    def load(cls, folder: Path, scope: Scope, **options: object) -> Authority:
        """Take up the authority of a folder. A scope that differs from its constraints gives a new intermediate.

        Raises ``HaechiError``: ``datapath.authority-missing``, ``datapath.authority-unreadable``,
        ``datapath.authority-unwritable``.
        """
        made = cls(folder, scope, **options)  # type: ignore[arg-type]
        made._issuer = read_issuer(folder)
        made._take_up(scope, keep=made._keep)
        return made

    @classmethod
    def open(cls, folder: Path, scope: Scope, **options: object) -> Authority:
        """The folder's authority, made if there is none. Raises as ``load`` and ``create``."""
        if is_kept(folder):
            return cls.load(folder, scope, **options)
        return cls.create(folder, scope, **options)

    @property
    def scope(self) -> Scope:
        """The names it mints for."""
        return self._scope

    def rescope(self, scope: Scope, *, keep: bool = False) -> bool:
        """Mint for other names from now on. True when that took another root, which clients have to be told of.

        ``keep``: stay with the root there is. Names in scope that it is not made for are ``uncovered`` then. Raises
        ``HaechiError('datapath.authority-unwritable')``: everything stays as it was.
        """
        with self._lock:
            before = self._issuer.root
            self._take_up(scope, keep=keep)
            self._leaves.clear()
            return self._issuer.root is not before

    @property
    def uncovered(self) -> tuple[str, ...]:
        """Patterns in scope that get no certificate, because the root that clients trust is not made for them."""
        permitted = permitted_by(self._issuer.intermediate)
        if permitted is None:
            return ()
        beyond = tuple(pattern for pattern in self._scope.patterns if not below(pattern.removeprefix("*."), permitted))
        return ("*", *beyond) if self._scope.mode is ScopeMode.ALL else beyond

    @property
    def root_pem(self) -> bytes:
        """The certificate that clients trust."""
        return self._issuer.root_pem

    @property
    def intermediate_pem(self) -> bytes:
        """The certificate that signs the leaves."""
        return self._issuer.intermediate_pem

    @property
    def not_after(self) -> dt.datetime:
        """When clients stop trusting it."""
        issuer = self._issuer
        return min(issuer.root.not_valid_after_utc, issuer.intermediate.not_valid_after_utc)

    def leaf(self, host: str) -> LeafPair:
        """The certificate of a host, from the cache while it is fresh.

        Raises ``HaechiError``: ``datapath.name-out-of-scope``, ``datapath.name-not-covered``,
        ``datapath.authority-unwritable`` where the issuer has ended and another one cannot be kept.
        """
        name = host_name(host)
        if name != UNNAMED and (name not in self._scope or name.startswith("*") or len(name) > 253):
            raise HaechiError("datapath.name-out-of-scope", host=name)
        with self._lock:
            known = self._leaves.get(name)
            if known is not None and self._now() < known.renew_at:
                self._leaves.move_to_end(name)
                return known
            self._renew()
            permitted = permitted_by(self._issuer.intermediate)
            if permitted is not None and not below(name, permitted):
                raise HaechiError("datapath.name-not-covered", host=name)
            made = self._mint(name)
            self._leaves[name] = made
            while len(self._leaves) > self._max_leaves:
                self._leaves.popitem(last=False)
            return made

    def _mint(self, name: str) -> LeafPair:
        issuer, key = self._issuer, ec.generate_private_key(ec.SECP256R1())
        now = self._now()
        end = min(now + self._lifetimes.leaf, issuer.intermediate.not_valid_after_utc)
        common = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name if len(name) <= 64 else "haechi")])
        leaf = (
            _builder(common, issuer.intermediate.subject, key.public_key(), now, end)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()), critical=False)
            .sign(issuer.key, hashes.SHA256())
        )
        chain = leaf.public_bytes(Encoding.PEM) + issuer.intermediate_pem
        return LeafPair(name, chain, private_pem(key), end, now + (end - now) * 2 / 3)

    def _renew(self) -> None:
        """Another issuer where one is due. One that cannot be kept is a reason to refuse when the earlier has ended."""
        try:
            self._take_up(self._scope, keep=self._keep)
            self.problem = None
        except HaechiError as error:
            self.problem = error
            if self.not_after <= self._now():
                raise

    def _take_up(self, scope: Scope, *, keep: bool) -> None:
        """Mint for these names, with another issuer where one is due. Where that cannot be kept, nothing is changed."""
        issuer = self._issuer
        late = self.not_after - self._now() < self._lifetimes.leaf
        if late or (not keep and constraints_of(issuer.intermediate) != constraints(scope)):
            keep = False
            self._establish(scope, issuer)
        self._scope, self._keep = scope, keep

    def _establish(self, scope: Scope, earlier: Issuer | None) -> None:
        """Sign an intermediate with the kept root, or make both; they are in use once they are kept."""
        made = self._signed(scope, earlier)
        if self._folder is not None:
            keep_issuer(self._folder, made)
        self._issuer = made
        self._leaves.clear()

    def _signed(self, scope: Scope, earlier: Issuer | None) -> Issuer:
        now = self._now()
        fresh = earlier is not None and earlier.root.not_valid_after_utc - now >= self._lifetimes.leaf
        if earlier is not None and earlier.root_key is not None and fresh:
            root, root_key, kept = earlier.root, earlier.root_key, True
        else:
            root_key, kept = ec.generate_private_key(ec.SECP256R1()), self._keep_root
            root = _authority_certificate(
                "Haechi local root", None, root_key.public_key(), root_key, now, now + self._lifetimes.authority, None
            )
        key = ec.generate_private_key(ec.SECP256R1())
        end = min(now + self._lifetimes.authority, root.not_valid_after_utc)
        intermediate = _authority_certificate(
            "Haechi interception", root, key.public_key(), root_key, now, end, constraints(scope)
        )
        return Issuer(root, intermediate, key, root_key if kept else None)


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
