"""The packet rules as text for nft, and loading them. One table of our own; no other table is read or changed.

Theory, by hook:

=====================  =========================================================================================
output, nat            every user's TCP 443 and 80 goes to the redirect ports, the service user's and loopback's not
prerouting, nat        the same for what this machine forwards (containers, other network namespaces), to addresses
                       on the loopback interface, because forwarded packets can not be sent to 127.0.0.1 or ::1
output, filter         what is still going to port 443 or 80 was connected before the rules: reset. UDP 443: refused
forward, filter        the same, except what another rule sent to a container of this machine (a published port)
input, filter          the redirect ports take redirected connections only: nobody connects to them directly
=====================  =========================================================================================

With nobody listening on the redirect ports a connection is refused: a dead agent closes, it does not open.
"""

from __future__ import annotations

import ipaddress

from haechi.outbound.system.shell import Shell
from haechi.ports.system import Redirect

TABLE = "haechi"

_TEXT = """\
# Haechi: made by `haechi install`, removed by `haechi uninstall`. Loaded in one step: half of it never stands.
table inet haechi
delete table inet haechi
table inet haechi {{
    counter https_local {{ }}
    counter http_local {{ }}
    counter https_forwarded {{ }}
    counter http_forwarded {{ }}
    counter quic_refused {{ }}
    counter too_late {{ }}

    chain output_redirect {{
        type nat hook output priority -100; policy accept;
        meta skuid {uid} return
        oifname "lo" return
        tcp dport 443 counter name https_local redirect to :{https}
        tcp dport 80 counter name http_local redirect to :{http}
    }}

    chain forwarded_redirect {{
        # Before other tools' prerouting rules: what they publish has a local address here, and is left to them.
        type nat hook prerouting priority dstnat - 10; policy accept;
        fib daddr type {{ local, broadcast, multicast }} return
        meta nfproto ipv4 tcp dport 443 counter name https_forwarded dnat ip to {v4}:{https}
        meta nfproto ipv4 tcp dport 80 counter name http_forwarded dnat ip to {v4}:{http}
        meta nfproto ipv6 tcp dport 443 counter name https_forwarded dnat ip6 to [{v6}]:{https}
        meta nfproto ipv6 tcp dport 80 counter name http_forwarded dnat ip6 to [{v6}]:{http}
    }}

    chain output_close {{
        type filter hook output priority filter - 10; policy accept;
        meta skuid {uid} accept
        oifname "lo" accept
        udp dport 443 counter name quic_refused reject with icmpx port-unreachable
        tcp dport {{ 80, 443 }} counter name too_late reject with tcp reset
    }}

    chain forward_close {{
        type filter hook forward priority filter - 10; policy accept;
        udp dport 443 ct status & dnat == 0 counter name quic_refused reject with icmpx port-unreachable
        tcp dport {{ 80, 443 }} ct status & dnat == 0 counter name too_late reject with tcp reset
    }}

    chain input_guard {{
        type filter hook input priority filter - 10; policy accept;
        tcp dport {{ {https}, {http} }} ct status & dnat == 0 reject with tcp reset
    }}
}}
"""


def ruleset(redirect: Redirect) -> str:
    """The whole table. Values are checked: they come from settings and become a program that root runs."""
    ports = (redirect.https_port, redirect.http_port)
    if not all(0 < port < 65536 for port in ports) or ports[0] == ports[1] or redirect.exempt_uid <= 0:
        raise ValueError(f"not a redirect: {redirect}")
    return _TEXT.format(
        uid=int(redirect.exempt_uid),
        https=int(redirect.https_port),
        http=int(redirect.http_port),
        v4=ipaddress.IPv4Address(redirect.forwarded_v4),
        v6=ipaddress.IPv6Address(redirect.forwarded_v6),
    )


class Nftables:
    """The rules of this network namespace."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    def loaded(self) -> bool:
        """Whether the table is there with its chains."""
        answer = self._shell.ask("nft", "list", "chain", "inet", TABLE, "output_redirect")
        return answer.status == 0 and "redirect to" in answer.output

    def load(self, redirect: Redirect) -> None:
        """Addresses first, then the table in one transaction. A kernel without IPv6 does without its address."""
        text = ruleset(redirect)
        self._shell.run("nft", "--check", "--file", "-", text=text)
        self._shell.run("ip", "-4", "address", "replace", f"{redirect.forwarded_v4}/32", "dev", "lo")
        self._shell.ask("ip", "-6", "address", "replace", f"{redirect.forwarded_v6}/128", "dev", "lo")
        self._shell.run("nft", "--file", "-", text=text)

    def unload(self, redirect: Redirect) -> None:
        """The table and the addresses go; what is not there is no fault."""
        if self._shell.ask("nft", "list", "table", "inet", TABLE).status == 0:
            self._shell.run("nft", "delete", "table", "inet", TABLE)
        self._shell.ask("ip", "-4", "address", "del", f"{redirect.forwarded_v4}/32", "dev", "lo")
        self._shell.ask("ip", "-6", "address", "del", f"{redirect.forwarded_v6}/128", "dev", "lo")
