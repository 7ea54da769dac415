"""Whether the names that one request gives for its destination agree.

A client can name where it goes three times: in CONNECT, in the TLS handshake (SNI) and in Host. A lie in one of them is
how traffic for one place is dressed as traffic for another (domain fronting), so all that are there must be equal. An
IP address in CONNECT says nothing about a name: the request is forwarded to the name, never to that address.
"""

from __future__ import annotations

import ipaddress


def host_name(authority: str) -> str:
    """The bare name of ``host[:port]`` or ``[v6][:port]``: lower case, no port, no trailing dot."""
    text = authority.strip().lower()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    if text.count(":") == 1:
        text = text.partition(":")[0]
    return text.rstrip(".")


def is_address(name: str) -> bool:
    """Whether a bare name is an IP literal."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def names_agree(connect: str, sni: str, host: str) -> bool:
    """Whether CONNECT target, SNI and Host name one place; empty ones say nothing, but Host must be there."""
    name = host_name(host)
    if not name:
        return False
    said = [host_name(other) for other in (connect, sni) if other]
    return all(other == name or is_address(other) for other in said)
