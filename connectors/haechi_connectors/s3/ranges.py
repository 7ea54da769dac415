"""The address ranges of S3, out of the document in which AWS publishes all of its own (``ip-ranges.json``).

The document is the institution's to download; nothing here fetches it, and no range is known without it.
"""

from __future__ import annotations

import ipaddress
import json

SERVICE = "S3"
LISTS = (("prefixes", "ip_prefix"), ("ipv6_prefixes", "ipv6_prefix"))


def ranges(document: bytes) -> tuple[str, ...]:
    """The ranges (CIDR) of every region, joined where they touch, IPv4 first.

    Raises ``ValueError`` for anything that is not such a document, and where it names no range of S3.
    """
    said = json.loads(document)
    if not isinstance(said, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - one error for a bad document
    found: list[str] = []
    for listed, field in LISTS:
        rows = said.get(listed, [])
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise ValueError(f"{listed} is not a list of objects")
        named = [ipaddress.ip_network(str(row.get(field))) for row in rows if row.get("service") == SERVICE]
        fours = [one for one in named if isinstance(one, ipaddress.IPv4Network)]
        sixes = [one for one in named if isinstance(one, ipaddress.IPv6Network)]
        found += [str(one) for one in ipaddress.collapse_addresses(fours)]
        found += [str(one) for one in ipaddress.collapse_addresses(sixes)]
    if not found:
        raise ValueError(f"no range of the service {SERVICE}")
    return tuple(found)
