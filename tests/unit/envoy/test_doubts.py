"""Which chain of the judged listener serves a server name: held against the scope itself."""

from __future__ import annotations

import re

import pytest
from haechi.domain.scope import Scope, ScopeMode
from haechi.inbound.envoy.doubts import NAME, OUTSIDE, judged_or_outside
from haechi.inbound.envoy.tunnels import doubt_of
from haechi.ports.judge import Connection
from haechi.ports.tunnels import Doubt

INPUTS = {"ServerNameInput": "sni", "TransportProtocolInput": "transport", "ApplicationProtocolInput": "application"}
SCOPES = [
    Scope(ScopeMode.CLOUD, ("*.amazonaws.com", "s3.example.org")),
    Scope(ScopeMode.CLOUD, ("*.amazonaws.com",), ("console.aws.amazonaws.com", "*.other.org")),
    Scope(ScopeMode.LIST, ("one.example.org",)),
    Scope(ScopeMode.LIST, ()),
    Scope(ScopeMode.ALL, ()),
    Scope(ScopeMode.ALL, (), ("bank.example.org", "*.health.example.org")),
    Scope(ScopeMode.ALL, ("*.health.example.org",), ("bank.example.org", "*.health.example.org")),
    Scope(ScopeMode.ALL, ("*.amazonaws.com",), ("*.example.org", "console.aws.amazonaws.com")),
]
NAMES = [
    "bucket.s3.amazonaws.com",
    "amazonaws.com",
    "console.aws.amazonaws.com",
    "xamazonaws.com",
    "bucket.s3.amazonaws.com.evil.org",
    "s3.example.org",
    "s3xexample.org",
    "one.example.org",
    "bank.example.org",
    "a.health.example.org",
    "health.example.org",
    "a.other.org",
]


def holds(predicate: dict, facts: dict[str, str]) -> bool:
    """What Envoy would find."""
    ((kind, value),) = predicate.items()
    match kind:
        case "single_predicate":
            read = INPUTS[value["input"]["typed_config"]["@type"].rpartition(".")[2]]
            return re.fullmatch(value["value_match"]["safe_regex"]["regex"], facts[read]) is not None
        case "and_matcher":
            return all(holds(one, facts) for one in value["predicate"])
        case "or_matcher":
            return any(holds(one, facts) for one in value["predicate"])
        case "not_matcher":
            return not holds(value, facts)
    raise AssertionError(kind)


def chain(scope: Scope, **facts: str) -> str | None:
    known = {"sni": "", "transport": "tls", "application": ""} | facts
    matchers = judged_or_outside(scope)["matcher_list"]["matchers"]
    return next((one["on_match"]["action"]["name"] for one in matchers if holds(one["predicate"], known)), None)


@pytest.mark.parametrize("scope", SCOPES, ids=lambda scope: f"{scope.mode.value}-{len(scope.patterns)}-{scope.exempt}")
@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_outside_exactly_where_the_scope_says_so(scope: Scope, name: str) -> None:
    assert chain(scope, sni=name) == ("judged-tls" if name in scope else OUTSIDE)


@pytest.mark.parametrize("scope", SCOPES, ids=lambda scope: f"{scope.mode.value}-{len(scope.patterns)}-{scope.exempt}")
def test_what_names_nothing_is_judged_and_what_is_neither_tls_nor_http_is_told(scope: Scope) -> None:
    assert chain(scope, sni="") == "judged-tls"
    assert chain(scope, transport="raw_buffer", application="'http/1.1'") == "judged-plain"
    assert chain(scope, transport="raw_buffer") is None


@pytest.mark.parametrize(
    ("connect", "sni", "told", "doubt"),
    [
        ("a.example.org:443", "b.example.org", "", Doubt.NAMES),
        ("192.0.2.1:443", "b.example.org", "", Doubt.ADDRESS),
        ("[2001:db8::1]:443", "b.example.org", "", Doubt.ADDRESS),
        ("a.example.org:443", "", "", Doubt.NO_NAME),
        ("a.example.org:443", "a.example.org.", "", Doubt.SPELLING),
        ("a.example.org:443", "a.example.org", "provider-address", Doubt.PROVIDER),
        ("a.example.org:443", "", "no-tls", Doubt.RAW),
        ("a.example.org:443", "b.example.org", "something-else", Doubt.NAMES),
    ],
)
def test_what_is_wrong_with_a_tunnel(connect: str, sni: str, told: str, doubt: Doubt) -> None:
    assert doubt_of(Connection("127.0.0.1", 1, connect, sni), told) is doubt
    assert doubt.passable == (doubt not in (Doubt.NO_NAME, Doubt.RAW))


@pytest.mark.parametrize("name", ["a.example.org", "a_b.example.org", "xn--bcher-kva.example", "localhost"])
def test_a_plain_name_is_none_in_doubt(name: str) -> None:
    assert re.fullmatch(NAME, name)
