"""The packet rules, really loaded: who is redirected, who is not, and what stands when nobody listens."""

from __future__ import annotations

import socket

import pytest
from haechi.domain.errors import HaechiError
from haechi.outbound.system.rules import Nftables, ruleset
from haechi.outbound.system.shell import Shell
from haechi.ports.system import Redirect

from tests.root.lab import CLOUD_V4, CLOUD_V6, ENGINEER, OTHER, SERVICE, Lab

REDIRECT = Redirect(SERVICE, 15001, 15002)
AGENT = ("127.0.0.1", "::1", REDIRECT.forwarded_v4, REDIRECT.forwarded_v6)


@pytest.fixture
def enforced(lab: Lab) -> Lab:
    """Rules loaded; a cloud at 443, 80 and 8443; something stands for the agent at the redirect ports."""
    for address in (CLOUD_V4, CLOUD_V6):
        for port in (443, 80, 8443):
            lab.listen(lab.cloud, address, port, f"cloud {port}")
    load(lab)
    for address in AGENT:
        lab.listen(lab.host, address, 15001, "judged tls")
        lab.listen(lab.host, address, 15002, "judged http")
    return lab


def load(lab: Lab, redirect: Redirect = REDIRECT) -> None:
    lab.inside(lab.host, lambda: Nftables(Shell()).load(redirect))


@pytest.mark.parametrize("uid", [ENGINEER, OTHER, 0])
@pytest.mark.parametrize("cloud", [CLOUD_V4, CLOUD_V6])
def test_every_user_is_redirected(enforced: Lab, uid: int, cloud: str) -> None:
    assert enforced.ask(enforced.host, uid, cloud, 443) == "judged tls"
    assert enforced.ask(enforced.host, uid, cloud, 80) == "judged http"


@pytest.mark.parametrize("cloud", [CLOUD_V4, CLOUD_V6])
def test_the_agents_own_connections_leave(enforced: Lab, cloud: str) -> None:
    assert enforced.ask(enforced.host, SERVICE, cloud, 443) == "cloud 443"
    assert enforced.ask(enforced.host, SERVICE, cloud, 80) == "cloud 80"


@pytest.mark.parametrize("cloud", [CLOUD_V4, CLOUD_V6])
def test_a_container_with_its_own_network_is_redirected(enforced: Lab, cloud: str) -> None:
    assert enforced.ask(enforced.pod, 0, cloud, 443) == "judged tls"
    assert enforced.ask(enforced.pod, 0, cloud, 80) == "judged http"


def test_a_container_that_names_the_service_user_is_redirected_all_the_same(enforced: Lab) -> None:
    assert enforced.ask(enforced.pod, SERVICE, CLOUD_V4, 443) == "judged tls"


def test_other_ports_are_left_alone(enforced: Lab) -> None:
    assert enforced.ask(enforced.host, ENGINEER, CLOUD_V4, 8443) == "cloud 8443"
    assert enforced.ask(enforced.pod, 0, CLOUD_V4, 8443) == "cloud 8443"


def test_loopback_is_not_touched(enforced: Lab) -> None:
    enforced.listen(enforced.host, "127.0.0.1", 443, "own service")
    enforced.listen(enforced.host, "::1", 443, "own service")
    for address in ("127.0.0.1", "::1"):
        assert enforced.ask(enforced.host, ENGINEER, address, 443) == "own service"


def test_a_service_of_this_machine_stays_reachable_from_outside(enforced: Lab) -> None:
    enforced.listen(enforced.host, "10.77.1.1", 443, "own service")
    assert enforced.ask(enforced.cloud, 0, "10.77.1.1", 443) == "own service"


@pytest.mark.parametrize("cloud", [CLOUD_V4, CLOUD_V6])
def test_quic_is_refused_at_once(enforced: Lab, cloud: str) -> None:
    enforced.echo_udp(enforced.cloud, cloud, 443)
    enforced.echo_udp(enforced.cloud, cloud, 4433)
    assert enforced.ask(enforced.host, ENGINEER, cloud, 4433, "udp") == "answered"
    assert enforced.ask(enforced.host, ENGINEER, cloud, 443, "udp") == "PermissionError"  # the kernel's own word for it
    assert enforced.ask(enforced.pod, 0, cloud, 443, "udp") == "ConnectionRefusedError"


@pytest.mark.parametrize("cloud", [CLOUD_V4, CLOUD_V6])
def test_with_a_dead_agent_everything_is_refused(lab: Lab, cloud: str) -> None:
    for port in (443, 80):
        lab.listen(lab.cloud, cloud, port, "cloud")
    assert lab.ask(lab.host, ENGINEER, cloud, 443) == "cloud"
    load(lab)
    for port in (443, 80):
        assert lab.ask(lab.host, ENGINEER, cloud, port) == "ConnectionRefusedError"
        assert lab.ask(lab.pod, 0, cloud, port) == "ConnectionRefusedError"


@pytest.mark.parametrize("cloud", [CLOUD_V4, CLOUD_V6])
def test_a_connection_from_before_the_rules_ends(lab: Lab, cloud: str) -> None:
    lab.listen(lab.cloud, cloud, 443, "cloud")
    early = lab.inside(lab.host, lambda: socket.create_connection((cloud, 443), timeout=5))
    with early:
        assert early.recv(100) == b"cloud\n"
        load(lab)
        with pytest.raises(ConnectionResetError):
            for _ in range(3):
                early.sendall(b"the rest of an upload")
                early.recv(100)


def test_nobody_connects_to_the_redirect_ports_directly(enforced: Lab) -> None:
    """It would make Envoy connect to itself, again and again."""
    assert enforced.ask(enforced.host, ENGINEER, "127.0.0.1", 15001) == "ConnectionRefusedError"
    assert enforced.ask(enforced.host, ENGINEER, REDIRECT.forwarded_v4, 15001) == "ConnectionRefusedError"
    assert enforced.ask(enforced.pod, 0, REDIRECT.forwarded_v4, 15001) == "ConnectionRefusedError"


def test_loading_again_changes_nothing_and_unloading_leaves_nothing(lab: Lab) -> None:
    lab.nft(lab.host, "add", "table", "inet", "theirs")
    rules, addresses = lab.nft(lab.host, "list", "ruleset"), lab.addresses(lab.host)
    load(lab)
    once = lab.nft(lab.host, "-s", "list", "ruleset")
    load(lab)
    assert lab.nft(lab.host, "-s", "list", "ruleset") == once
    assert lab.inside(lab.host, lambda: Nftables(Shell()).loaded())
    for _ in range(2):
        lab.inside(lab.host, lambda: Nftables(Shell()).unload(REDIRECT))
        assert lab.nft(lab.host, "list", "ruleset") == rules
        assert lab.addresses(lab.host) == addresses
    assert not lab.inside(lab.host, lambda: Nftables(Shell()).loaded())


def test_a_rule_set_that_nft_turns_down_leaves_the_old_one_standing(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    load(lab)
    before = lab.nft(lab.host, "-s", "list", "ruleset")
    broken = ruleset(REDIRECT).replace("chain input_guard {", "chain input_guard { nonsense;")
    monkeypatch.setattr("haechi.outbound.system.rules.ruleset", lambda redirect: broken)
    with pytest.raises(HaechiError, match=r"install\.command-failed"):
        load(lab)
    assert lab.nft(lab.host, "-s", "list", "ruleset") == before
