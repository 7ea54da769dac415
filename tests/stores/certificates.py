"""A throw-away authority for the stores that tests run against. Nothing outside the tests trusts it."""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

REGIONS = ("ap-northeast-2", "ap-northeast-1", "us-east-1", "us-west-2", "eu-central-1")

AWS_NAMES = (
    *(name for region in REGIONS for name in (f"s3.{region}.amazonaws.com", f"*.s3.{region}.amazonaws.com")),
    *(
        name
        for region in REGIONS
        for name in (f"s3.dualstack.{region}.amazonaws.com", f"*.s3.dualstack.{region}.amazonaws.com")
    ),
    *(name for region in REGIONS for name in (f"s3-fips.{region}.amazonaws.com", f"*.s3-fips.{region}.amazonaws.com")),
    *(f"{service}.{region}.amazonaws.com" for region in REGIONS for service in ("kms", "sts", "s3-control")),
    *(f"*.s3-control.{region}.amazonaws.com" for region in REGIONS),
    "s3.amazonaws.com",
    "*.s3.amazonaws.com",
    "s3-accelerate.amazonaws.com",
    "*.s3-accelerate.amazonaws.com",
    "sts.amazonaws.com",
    "iam.amazonaws.com",
)
"""Real host names that an emulator may answer to on loopback."""

LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Certificate:
    """A leaf on disk: PEM chain and PEM key."""

    cert: Path
    key: Path


class StoreAuthority:
    """One authority a folder; its root is at ``ca`` (PEM)."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Haechi test stores")])
        self._cert = (
            self._builder(self._name, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        self.ca = folder / "store-ca.pem"
        self.ca.write_bytes(self._cert.public_bytes(serialization.Encoding.PEM))

    def issue(
        self, names: tuple[str, ...] = (*LOCAL_NAMES, *AWS_NAMES), stem: str = "store", *, client: bool = False
    ) -> Certificate:
        """A leaf for these names (host names, wildcards, addresses), of a server or of a client."""
        usage = ExtendedKeyUsageOID.CLIENT_AUTH if client else ExtendedKeyUsageOID.SERVER_AUTH
        key = ec.generate_private_key(ec.SECP256R1())
        leaf = (
            self._builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, stem)]), key.public_key())
            .add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        written = Certificate(self._folder / f"{stem}.pem", self._folder / f"{stem}.key")
        written.cert.write_bytes(leaf.public_bytes(serialization.Encoding.PEM))
        descriptor = os.open(written.key, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(
                key.private_bytes(
                    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
                )
            )
        return written

    def _builder(self, subject: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        now = dt.datetime.now(dt.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(hours=1))
            .not_valid_after(now + dt.timedelta(days=2))
        )


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )
