"""How a host is written so that it can be compared. Must not know whose it is."""

from __future__ import annotations


def normal(host: str) -> str:
    """Lower case, without a trailing dot and without a default port."""
    name, colon, port = host.strip().lower().rpartition(":")
    if not colon or not port.isdigit():
        name, port = host.strip().lower(), ""
    name = name.removesuffix(".")
    return f"{name}:{port}" if port not in ("", "443", "80") else name
