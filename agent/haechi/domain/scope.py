"""Which connections are judged and which are tunnelled: signed policy data, applied without I/O.

Theory. A connection names its goal up to three times: the CONNECT target, the TLS server name, and (once TLS is ended)
the Host. What is in scope is judged. What is out of scope in every name is a tunnel, and goes where its server name
says, so that lying about it gains nothing. Names that disagree are refused. What names nothing is judged as unknown.

==============================  =====================
names                           classification
==============================  =====================
both agree, in scope            ``JUDGED``
both agree, out of scope        ``TUNNEL``
a literal address, or no SNI    ``UNKNOWN`` (judged)
they differ                     ``REFUSED``
==============================  =====================
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from haechi.domain.names import host_name, is_address

_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\Z")


class ScopeMode(StrEnum):
    """How far interception reaches."""

    CLOUD = "cloud"
    """The hosts of every connector."""
    ALL = "all"
    """Every host that is not exempt."""
    LIST = "list"
    """The listed hosts only."""


class Classification(StrEnum):
    """What becomes of a connection."""

    JUDGED = "judged"
    TUNNEL = "tunnel"
    UNKNOWN = "unknown"
    REFUSED = "refused"


def valid_pattern(pattern: str) -> bool:
    """Whether a pattern is a host name, or ``*.`` and a host name, in lower case."""
    name = pattern.removeprefix("*.")
    return len(name) <= 253 and all(_LABEL.match(label) for label in name.split(".")) and not is_address(name)


def matches(pattern: str, host: str) -> bool:
    """``*.suffix`` matches every name below the suffix, not the suffix itself; all else matches exactly."""
    return host.endswith(pattern[1:]) if pattern.startswith("*.") else host == pattern


@dataclass(frozen=True, slots=True)
class Scope:
    """The names to intercept. ``exempt`` names are never intercepted; a name in both is intercepted unless
    the exemption is exact. Raises ``ValueError`` for a malformed pattern.
    """

    mode: ScopeMode = ScopeMode.CLOUD
    patterns: tuple[str, ...] = ()
    exempt: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for pattern in (*self.patterns, *self.exempt):
            if not valid_pattern(pattern):
                raise ValueError(f"not a host pattern: {pattern!r}")

    @classmethod
    def of(cls, mode: ScopeMode, cloud: Iterable[str], listed: Iterable[str], exempt: Iterable[str] = ()) -> Scope:
        """The scope of a mode: connectors' hosts and watched hosts, or the listed ones alone."""
        names = list(listed) if mode is ScopeMode.LIST else [*cloud, *listed]
        return cls(mode, tuple(dict.fromkeys(name.lower() for name in names)), tuple(dict.fromkeys(exempt)))

    def joined(self, other: Scope) -> Scope:
        """What either of two scopes intercepts."""
        mode = ScopeMode.ALL if ScopeMode.ALL in (self.mode, other.mode) else self.mode
        exempt = tuple(pattern for pattern in self.exempt if pattern in other.exempt)
        return Scope(mode, tuple(dict.fromkeys([*self.patterns, *other.patterns])), exempt)

    def __contains__(self, host: object) -> bool:
        return isinstance(host, str) and self._covers(host_name(host))

    def _covers(self, host: str) -> bool:
        if host in self.exempt:
            return False
        if any(matches(pattern, host) for pattern in self.patterns):
            return True
        return self.mode is ScopeMode.ALL and not any(matches(pattern, host) for pattern in self.exempt)

    def classify(self, connect: str, sni: str) -> Classification:
        """What becomes of a TLS connection. ``connect`` is the CONNECT target, empty for a redirected one."""
        named, served = host_name(connect), host_name(sni)
        if not served or is_address(served) or is_address(named):
            return Classification.UNKNOWN
        if named and named != served:
            return Classification.REFUSED
        return Classification.JUDGED if self._covers(served) else Classification.TUNNEL
