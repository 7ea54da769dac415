"""One connection, whichever way Envoy asks about it."""

from __future__ import annotations

import pytest
from haechi.inbound.envoy.told import connection_of
from haechi.ports.judge import Connection

CLIENT, TARGET, NAME, MEANT = "10.0.0.9:51000", "h.example:443", "h.example", "192.0.2.1:443"
TABLE = {
    "proxy": (("proxy", CLIENT, TARGET, NAME, MEANT), Connection("10.0.0.9", 51000, TARGET, NAME, "proxy", "")),
    "plain": (("plain", CLIENT, TARGET, "", MEANT), Connection("10.0.0.9", 51000, "", "", "proxy", "")),
    "redirect": (("redirect", CLIENT, TARGET, NAME, MEANT), Connection("10.0.0.9", 51000, "", NAME, "redirect", MEANT)),
    "dashes": (("redirect", "-", "-", "-", "-"), Connection("", 0, "", "", "redirect", "")),
    "dashes of a proxy": (("proxy", CLIENT, "-", "-", "-"), Connection("10.0.0.9", 51000, "", "", "proxy", "")),
    "nothing": (("", "", "", "", ""), Connection("", 0, "", "", "proxy", "")),
    "no way": (("-", CLIENT, TARGET, NAME, MEANT), Connection("10.0.0.9", 51000, TARGET, NAME, "proxy", "")),
    "ipv6": (
        ("redirect", "[2001:db8::9]:51000", "", NAME, "[2001:db8::1]:443"),
        Connection("2001:db8::9", 51000, "", NAME, "redirect", "[2001:db8::1]:443"),
    ),
    "no port": (("proxy", "10.0.0.9:x", TARGET, NAME, ""), Connection("10.0.0.9", 0, TARGET, NAME, "proxy", "")),
    "a digit that is none": (("proxy", "10.0.0.9:²", "", "", ""), Connection("10.0.0.9", 0, "", "", "proxy", "")),
}


@pytest.mark.parametrize(("told", "connection"), TABLE.values(), ids=TABLE)
def test_what_envoy_tells_is_one_connection(told: tuple[str, str, str, str, str], connection: Connection) -> None:
    way, source, connect, sni, local = told
    assert connection_of(way=way, source=source, connect=connect, sni=sni, local=local) == connection
