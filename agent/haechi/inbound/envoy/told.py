"""What Envoy tells of a connection, in its three ways of asking (stream, check, tunnel), as one thing."""

from __future__ import annotations

from haechi.ports.judge import Connection

_NOTHING = "-"
"""Envoy's word for a value that is not there."""


def connection_of(*, way: str, source: str, connect: str, sni: str, local: str) -> Connection:
    """The connection, from Envoy's words; each may be empty or ``-``.

    ``way``: the listener's (``proxy``, ``plain`` for plain HTTP to the proxy, ``redirect``; empty for ``proxy``).
    ``source``: the client's ``host:port`` or ``[host]:port``. ``connect`` counts where there is a CONNECT; ``local``,
    the address that the client meant, where the connection was redirected.
    """
    way, source, connect, sni, local = ("" if word == _NOTHING else word for word in (way, source, connect, sni, local))
    address, _, port = source.rpartition(":")
    return Connection(
        address=address.strip("[]"),
        port=int(port) if port.isascii() and port.isdigit() else 0,
        connect=connect if way in ("", "proxy") else "",
        sni=sni,
        way="proxy" if way in ("", "plain") else way,
        original=local if way == "redirect" else "",
    )
