"""Which tunnels are in doubt, in Envoy's terms: what passes by itself, and what the agent is asked about. Pure.

Theory. A filter (RBAC, as *shadow*: it only notes what it finds) says whether a tunnel is honest; the next (ext_authz)
is switched off by that word alone, so whatever went wrong on the way there leads to a question. The agent's record is
durable before it answers, and Envoy holds the connection's first bytes until then. No answer, no tunnel.
"""

from __future__ import annotations

import re

from haechi.domain.scope import Scope, ScopeMode
from haechi.inbound.envoy import clusters
from haechi.inbound.envoy.extensions import EXTENSION, TYPES, Config, duration, typed
from haechi.inbound.envoy.http import CONNECT_STATE, SOURCE_STATE, WAY
from haechi.inbound.envoy.settings import DataPathSettings
from haechi.ports.tunnels import Doubt

NAME_STATE = "haechi.name"
OUTSIDE = "judged-outside"
"""The chain for connections that are to be judged by CONNECT and show a server name out of scope."""
# No trailing dot (another spelling of a name in scope) and no number at the end (an address in some spelling).
NAME = r"([a-z0-9_]([a-z0-9_-]*[a-z0-9_])?\.)*[a-z]([a-z0-9-]*[a-z0-9])?"
ASKED = ("haechi-source", "haechi-connect", "haechi-sni", "haechi-original", WAY, "haechi-doubt")
"""What a question says, as gRPC metadata."""
_RBAC = "envoy.filters.network.rbac"
_HONEST, _INNOCENT = "names.", "address."
AGREED = f"tunnel.rbac.{_HONEST}shadow_allowed"
"""Envoy's counter of tunnels whose names agree."""
TOWARD_PROVIDER = f"toward_provider.rbac.{_INNOCENT}shadow_denied"
"""And of those among them that lead to a provider all the same."""


def named_only(settings: DataPathSettings, way: str) -> list[Config]:
    """In doubt is a tunnel without a plain server name, and one whose CONNECT named another."""
    some_name = {"requested_server_name": {"safe_regex": {"regex": NAME}}}
    policy: Config = {"permissions": [some_name], "principals": [{"any": True}]}
    if way == "proxy":
        # Filter state is bytes to CEL; the server name comes in lower case already.
        connected = _call("string", _index("filter_state", NAME_STATE))
        policy["condition"] = _call("_==_", _call("lowerAscii", target=connected), _server_name())
        policy["cel_config"] = {"enable_string_conversion": True, "enable_string_functions": True}
    return [_noting("tunnel.", _HONEST, "ALLOW", policy), _asking(settings, way, unless=_HONEST)]


def not_toward(networks: tuple[str, ...], settings: DataPathSettings, way: str) -> list[Config]:
    """In doubt is a tunnel whose innocent name leads to a provider's address."""
    found = []
    for network in networks:
        prefix, _, length = network.partition("/")
        matcher = {
            "name": "envoy.rbac.matchers.upstream_ip_port",
            "typed_config": {
                "@type": EXTENSION + "rbac.matchers.upstream_ip_port.v3.UpstreamIpPortMatcher",
                "upstream_ip": {"address_prefix": prefix, "prefix_len": int(length)},
            },
        }
        found.append({"matcher": matcher})
    policy = {"permissions": found, "principals": [{"any": True}]}
    return [
        _noting("toward_provider.", _INNOCENT, "DENY", policy),
        _asking(settings, way, unless=_INNOCENT, doubt=Doubt.PROVIDER.value),
    ]


def nothing_known(settings: DataPathSettings, way: str) -> Config:
    """The chain for what is neither TLS nor HTTP: told to the agent and closed."""
    refused = typed(
        _RBAC,
        "filters.network.rbac.v3.RBAC",
        stat_prefix="raw.",
        rules={"action": "ALLOW", "policies": {}},
    )
    # Nothing reaches it: a chain must end in a filter of its kind, and this one connects to nowhere.
    end = typed("envoy.filters.network.echo", "filters.network.echo.v3.Echo")
    return {"name": f"{way}-unknown", "filters": [_asking(settings, way, doubt=Doubt.RAW.value), refused, end]}


def judged_or_outside(scope: Scope) -> Config:
    """Which chain of the ``judged`` listener serves a connection: names out of scope get no certificate from us."""
    some = _matches("ServerNameInput", ".+")
    outside = _out_of(scope)
    named = {"and_matcher": {"predicate": [some, outside]}} if outside else some
    return {
        "matcher_list": {
            "matchers": [
                _then({"and_matcher": {"predicate": [_matches("TransportProtocolInput", "tls"), named]}}, OUTSIDE),
                _then(_matches("TransportProtocolInput", "tls"), "judged-tls"),
                _then(_matches("ApplicationProtocolInput", r".*'http/1\.[01]'.*"), "judged-plain"),
            ]
        }
    }


def _out_of(scope: Scope) -> Config | None:
    """The predicate for a server name that is not in scope; None where every one is out. See ``Scope``."""
    exempt = [_matches("ServerNameInput", _pattern(name)) for name in scope.exempt]
    exactly = [one for one, name in zip(exempt, scope.exempt, strict=True) if not name.startswith("*.")]
    listed = [_matches("ServerNameInput", _pattern(name)) for name in scope.patterns]
    unlisted = {"not_matcher": _any_of(listed)} if listed else None
    if scope.mode is ScopeMode.ALL:
        by_pattern = [one for one in exempt if one not in exactly]
        if by_pattern:
            either = _any_of(by_pattern)
            exactly.append({"and_matcher": {"predicate": [either, unlisted]}} if unlisted else either)
        return _any_of(exactly) if exactly else {"not_matcher": _matches("ServerNameInput", ".*")}
    return _any_of([*exactly, unlisted]) if unlisted else None


def _any_of(predicates: list[Config]) -> Config:
    return predicates[0] if len(predicates) == 1 else {"or_matcher": {"predicate": predicates}}


def _pattern(name: str) -> str:
    return r".+\." + re.escape(name[2:]) if name.startswith("*.") else re.escape(name)


def _matches(read: str, regex: str) -> Config:
    matched = {"safe_regex": {"google_re2": {}, "regex": regex}}
    read_from = typed("input", f"matching.common_inputs.network.v3.{read}")
    return {"single_predicate": {"input": read_from, "value_match": matched}}


def _then(predicate: Config, chain: str) -> Config:
    named = {"@type": TYPES + "google.protobuf.StringValue", "value": chain}
    return {"predicate": predicate, "on_match": {"action": {"name": chain, "typed_config": named}}}


def _noting(stats: str, prefix: str, action: str, policy: Config) -> Config:
    return typed(
        _RBAC,
        "filters.network.rbac.v3.RBAC",
        stat_prefix=stats,
        shadow_rules={"action": action, "policies": {"tunnel": policy}},
        shadow_rules_stat_prefix=prefix,
    )


def _asking(settings: DataPathSettings, way: str, *, unless: str = "", doubt: str = "") -> Config:
    proxied = way == "proxy"
    values = (
        f"%FILTER_STATE({SOURCE_STATE}:PLAIN)%" if proxied else "%DOWNSTREAM_REMOTE_ADDRESS%",
        f"%FILTER_STATE({CONNECT_STATE}:PLAIN)%" if proxied else "",
        "%REQUESTED_SERVER_NAME%",
        "" if proxied else "%DOWNSTREAM_LOCAL_ADDRESS%",
        way,
        doubt,
    )
    honest: Config = {}
    if unless:
        honest["filter_enabled_metadata"] = {
            "filter": _RBAC,
            "path": [{"key": unless + "shadow_engine_result"}],
            "value": {"string_match": {"exact": "allowed"}},
            "invert": True,
        }
    return typed(
        "envoy.filters.network.ext_authz",
        "filters.network.ext_authz.v3.ExtAuthz",
        stat_prefix="doubtful",
        failure_mode_allow=False,
        transport_api_version="V3",
        grpc_service={
            "envoy_grpc": {"cluster_name": clusters.AGENT},
            "timeout": duration(settings.judge_timeout_s),
            "initial_metadata": [
                {"key": key, "value": value} for key, value in zip(ASKED, values, strict=True) if value
            ],
        },
        **honest,
    )


def _call(function: str, *args: Config, target: Config | None = None) -> Config:
    on = {"target": target} if target else {}
    return {"call_expr": {"function": function, "args": list(args), **on}}


def _index(name: str, key: str) -> Config:
    return _call("_[_]", {"ident_expr": {"name": name}}, {"const_expr": {"string_value": key}})


def _server_name() -> Config:
    return {"select_expr": {"operand": {"ident_expr": {"name": "connection"}}, "field": "requested_server_name"}}
