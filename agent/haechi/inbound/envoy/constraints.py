"""The names that a certificate is made for: the scope as name constraints, and back. Pure."""

from __future__ import annotations

import ipaddress

from cryptography import x509

from haechi.domain.scope import Scope, ScopeMode

UNNAMED = "unnamed.haechi.invalid"
"""Shown to a client that named no host; nothing resolves below ``.invalid``."""
_ALL_V4, _ALL_V6 = "0.0.0.0/0", "::/0"


def constraints(scope: Scope) -> x509.NameConstraints:
    """The scope as name constraints: no address ever; every name in mode ``all``, where only minting is bounded."""
    excluded = [x509.IPAddress(ipaddress.ip_network(every)) for every in (_ALL_V4, _ALL_V6)]
    if scope.mode is ScopeMode.ALL:
        return x509.NameConstraints(None, excluded)
    names = dict.fromkeys([*(pattern.removeprefix("*.") for pattern in scope.patterns), UNNAMED])
    return x509.NameConstraints([x509.DNSName(name) for name in names], excluded)


def permitted_by(certificate: x509.Certificate) -> tuple[str, ...] | None:
    """The names that a certificate is made for, each with all below it; None: every name."""
    carried = constraints_of(certificate)
    subtrees = carried.permitted_subtrees if carried is not None else None
    if subtrees is None:
        return None
    return tuple(name.value for name in subtrees if isinstance(name, x509.DNSName))


def below(name: str, permitted: tuple[str, ...]) -> bool:
    """Whether a name is one of those, or below one."""
    return any(name == one or name.endswith(f".{one}") for one in permitted)


def constraints_of(certificate: x509.Certificate) -> x509.NameConstraints | None:
    """What a certificate carries; None where it carries none."""
    try:
        return certificate.extensions.get_extension_for_class(x509.NameConstraints).value
    except x509.ExtensionNotFound:
        return None
