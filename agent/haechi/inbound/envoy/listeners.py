"""The ways in, all on loopback: ``proxy`` (CONNECT and absolute-form), ``redirect`` for TLS and for plain HTTP. Pure.

Theory. ``proxy`` ends CONNECT and hands the tunnel to an internal listener, with the client's address and the CONNECT
target as filter state: names in scope and literal addresses to ``judged``, which ends TLS whatever the server name
says; all other names to ``peeked``, which reads the server name. There, and on ``redirect``:

==========================  ====================================================================
server name                 what happens
==========================  ====================================================================
in scope                    TLS is ended and each request judged (which sees that CONNECT differs)
out of scope                tunnel to *that* name, if CONNECT named the same; else in doubt
none                        in doubt (``judged``: judged as unknown)
no TLS, but HTTP            judged as plain HTTP
neither                     in doubt
==========================  ====================================================================

A tunnel *in doubt* waits with its first bytes for the agent's word (``doubts``), and without it is closed. A tunnel
never goes to an address that the client chose: Envoy resolves the server name itself.
"""

from __future__ import annotations

from haechi.domain.scope import ScopeMode
from haechi.inbound.envoy import clusters
from haechi.inbound.envoy.constraints import UNNAMED
from haechi.inbound.envoy.doubts import (
    NAME_STATE,
    OUTSIDE,
    judged_or_outside,
    named_only,
    not_toward,
    nothing_known,
)
from haechi.inbound.envoy.extensions import Config, duration, preserve_case, remember, socket_address, typed
from haechi.inbound.envoy.http import (
    CONNECT_STATE,
    NOTHING_ASKED,
    SOURCE_STATE,
    judged,
    judged_filters,
    judged_hosts,
    manager,
)
from haechi.inbound.envoy.settings import DataPathSettings

JUDGED = "judged"
PEEKED = "peeked"

_PORT_STATE = "envoy.upstream.dynamic_port"
_PARTS = "haechi.connect"
_ADDRESS = r"^(\[.*\]|[0-9.]+|0[xX][0-9a-fA-F.xX]+)(:[0-9]+)?$"


def listeners(settings: DataPathSettings) -> list[Config]:
    """Every listener of the bootstrap."""
    made = [
        _proxy(settings),
        {
            **_internal(
                JUDGED,
                settings,
                [
                    _judged_tls(settings, "proxy", JUDGED),
                    *_plain_in_tunnel(settings, JUDGED),
                    _to_peeked(),
                ],
            ),
            "filter_chain_matcher": judged_or_outside(settings.scope),
        },
        _internal(PEEKED, settings, [*_by_server_name(settings, "proxy"), *_plain_in_tunnel(settings, PEEKED)]),
    ]
    if settings.upstream_proxy:
        made.append(_company_hop(settings))
    loopbacks = ["127.0.0.1", *(["::1"] if settings.redirect_ipv6 else []), *settings.redirect_addresses]
    for loopback in loopbacks:
        family = ("v6" if ":" in loopback else "v4") + ("-forwarded" * (loopback in settings.redirect_addresses))
        if settings.redirect_tls_port:
            made.append(
                {
                    **_tcp(f"redirect-tls-{family}", loopback, settings.redirect_tls_port, settings),
                    "listener_filters": [_original_destination(), *_inspectors()],
                    "filter_chains": _by_server_name(settings, "redirect"),
                    "default_filter_chain": nothing_known(settings, "redirect"),
                }
            )
        if settings.redirect_plain_port:
            chain = {"filters": [judged(f"redirect-plain-{family}", "redirect", settings, tls=False)]}
            made.append(
                {
                    **_tcp(f"redirect-plain-{family}", loopback, settings.redirect_plain_port, settings),
                    "listener_filters": [_original_destination()],
                    "filter_chains": [chain],
                }
            )
    return made


def _tcp(name: str, host: str, port: int, settings: DataPathSettings) -> Config:
    return {
        "name": name,
        "address": socket_address(host, port),
        "per_connection_buffer_limit_bytes": settings.buffer_bytes,
        # An address for forwarded traffic may come to the loopback interface later than Envoy does.
        **({"freebind": True} if host in settings.redirect_addresses else {}),
        # Two Envoys on one port would share its connections: the second must fail instead.
        "enable_reuse_port": False,
    }


def _proxy(settings: DataPathSettings) -> Config:
    def connect(cluster: str, **match: object) -> Config:
        return {
            "match": {"connect_matcher": {}, **match},
            "route": {
                "cluster": cluster,
                "timeout": "0s",
                "idle_timeout": duration(settings.idle_timeout_s),
                "upgrade_configs": [{"upgrade_type": "CONNECT", "connect_config": {}}],
            },
            "typed_per_filter_config": NOTHING_ASKED,
        }

    address = {"headers": [{"name": ":authority", "string_match": {"safe_regex": {"regex": _ADDRESS}}}]}
    scope = settings.scope
    to_judged, to_peeked = connect(JUDGED), connect(PEEKED)
    # An absolute https:// form would reach its host in plain text.
    no_tls = {
        "match": {"prefix": "", "headers": [{"name": ":scheme", "string_match": {"exact": "https"}}]},
        "direct_response": {"status": 400, "body": {"inline_string": "Use CONNECT for https.\n"}},
        "typed_per_filter_config": NOTHING_ASKED,
    }
    overridden = judged_hosts(settings, tls=False)
    *named, anything = overridden
    exempt = [name for name in scope.exempt if name not in scope.patterns or not name.startswith("*.")]
    hosts = [
        {**host, "routes": [_connect_for(host["domains"], scope, to_judged, to_peeked), no_tls, *host["routes"]]}
        for host in named
    ]
    taken = {domain for host in named for domain in host["domains"]}
    for name, domains, route in (("scope", scope.patterns, to_judged), ("exempt", exempt, to_peeked)):
        free = [domain for domain in domains if domain not in taken]
        if free:
            hosts.append({"name": name, "domains": free, "routes": [route, no_tls, *anything["routes"]]})
            taken |= set(free)
    default = to_judged if scope.mode is ScopeMode.ALL else to_peeked
    hosts.append(
        {**anything, "routes": [connect(JUDGED, **address), default, no_tls, *anything["routes"]]},
    )
    to_metadata = typed(
        "envoy.filters.http.header_to_metadata",
        "filters.http.header_to_metadata.v3.Config",
        request_rules=[
            _part("name", r"^(.*?)(:[0-9]+)?$", r"\1", "STRING"),
            _part("port", r"^.*:([0-9]+)$", r"\1", "STRING"),
        ],
    )
    # Hashable: a connection to the internal listener that a broken-off tunnel left in Envoy's pool would else serve the
    # next tunnel under the address and name of the first.
    state = remember(
        (
            (SOURCE_STATE, "envoy.hashable_string", "%DOWNSTREAM_REMOTE_ADDRESS%"),
            (CONNECT_STATE, "envoy.hashable_string", "%REQ(:AUTHORITY)%"),
            (NAME_STATE, "envoy.hashable_string", f"%DYNAMIC_METADATA({_PARTS}:name)%"),
            (_PORT_STATE, _PORT_STATE, f"%DYNAMIC_METADATA({_PARTS}:port)%"),
        )
    )
    keep = typed(
        "envoy.filters.http.set_filter_state", "filters.http.set_filter_state.v3.Config", on_request_headers=state
    )
    handler = manager(
        "proxy",
        [to_metadata, keep, *judged_filters("plain", settings, tls=False)],
        hosts,
        settings,
        codec_type="HTTP1",
        upgrade_configs=[{"upgrade_type": "CONNECT"}],
        http_protocol_options={
            # Python before 3.12 sends CONNECT as HTTP/1.0.
            "accept_http_10": True,
            "allow_absolute_url": True,
            "enable_trailers": True,
            "header_key_format": preserve_case(),
        },
    )
    return {
        **_tcp("proxy", "127.0.0.1", settings.proxy_port, settings),
        "filter_chains": [{"filters": [handler]}],
    }


def _connect_for(domains: list[str], scope: object, to_judged: Config, to_peeked: Config) -> Config:
    inside = all(domain.replace("*.", "x.", 1) in scope for domain in domains)  # type: ignore[operator]
    return to_judged if inside else to_peeked


def _part(key: str, pattern: str, substitution: str, kind: str) -> Config:
    return {
        "header": ":authority",
        "on_header_present": {
            "metadata_namespace": _PARTS,
            "key": key,
            "type": kind,
            "regex_value_rewrite": {"pattern": {"regex": pattern}, "substitution": substitution},
        },
        "remove": False,
    }


def _internal(name: str, settings: DataPathSettings, chains: list[Config]) -> Config:
    return {
        "name": name,
        "internal_listener": {},
        "per_connection_buffer_limit_bytes": settings.buffer_bytes,
        "listener_filters": [
            *_inspectors(),
            typed("envoy.filters.listener.http_inspector", "filters.listener.http_inspector.v3.HttpInspector"),
        ],
        "filter_chains": chains,
        "default_filter_chain": nothing_known(settings, "proxy"),
    }


def _inspectors() -> list[Config]:
    return [typed("envoy.filters.listener.tls_inspector", "filters.listener.tls_inspector.v3.TlsInspector")]


def _original_destination() -> Config:
    return typed("envoy.filters.listener.original_dst", "filters.listener.original_dst.v3.OriginalDst")


def _judged_tls(settings: DataPathSettings, way: str, name: str, server_names: tuple[str, ...] = ()) -> Config:
    match: Config = {"transport_protocol": "tls"}
    if server_names:
        match["server_names"] = list(server_names)
    return {
        "name": f"{name}-tls",
        "filter_chain_match": match,
        "transport_socket": _leaf_by_name(),
        "filters": [judged(f"{name}-tls", way, settings, tls=True)],
    }


def _plain_in_tunnel(settings: DataPathSettings, name: str) -> list[Config]:
    match = {"transport_protocol": "raw_buffer", "application_protocols": ["http/1.0", "http/1.1"]}
    return [
        {
            "name": f"{name}-plain",
            "filter_chain_match": match,
            "filters": [judged(f"{name}-plain", "proxy", settings, tls=False)],
        }
    ]


def _by_server_name(settings: DataPathSettings, way: str) -> list[Config]:
    """Chains that look at the server name: judged, overridden, or tunnelled to that name."""
    scope = settings.scope
    name = f"{way}-named"
    chains = []
    if scope.patterns:
        chains.append(_judged_tls(settings, way, name, scope.patterns))
    taken = set(scope.patterns)
    exempt = tuple(pattern for pattern in scope.exempt if pattern not in taken)
    taken |= set(exempt)
    if exempt:
        chains.append(_tunnel(settings, f"{way}-exempt", way, clusters.TUNNEL, exempt))
    if scope.mode is ScopeMode.ALL:
        return [*chains, _judged_tls(settings, way, f"{way}-all")]
    for override in settings.hosts:
        if override.pattern not in taken and override.pattern.replace("*.", "x.", 1) not in scope:
            taken.add(override.pattern)
            cluster = clusters.override_name(override, "tunnel")
            chains.append(_tunnel(settings, f"{way}-{cluster}", way, cluster, (override.pattern,)))
    return [*chains, _tunnel(settings, f"{way}-tunnel", way, clusters.TUNNEL)]


def _tunnel(settings: DataPathSettings, name: str, way: str, cluster: str, names: tuple[str, ...] = ()) -> Config:
    match: Config = {"transport_protocol": "tls"}
    if names:
        match["server_names"] = list(names)
    filters = named_only(settings, way)
    options: Config = {}
    if settings.upstream_proxy and cluster == clusters.TUNNEL:
        cluster = clusters.COMPANY
        options["tunneling_config"] = {"hostname": "%REQUESTED_SERVER_NAME%:443"}
    elif cluster == clusters.TUNNEL:
        filters.append(
            typed(
                "envoy.filters.network.sni_dynamic_forward_proxy",
                "filters.network.sni_dynamic_forward_proxy.v3.FilterConfig",
                port_value=443,
                dns_cache_config=clusters.dns_cache(settings),
                save_upstream_address=True,
            )
        )
        if settings.provider_networks:
            filters += not_toward(settings.provider_networks, settings, way)
    filters.append(
        typed(
            "envoy.filters.network.tcp_proxy",
            "filters.network.tcp_proxy.v3.TcpProxy",
            stat_prefix="tunnel",
            cluster=cluster,
            idle_timeout=duration(settings.idle_timeout_s),
            # Not before the filters above let the first bytes by: a tunnel in doubt connects to nowhere.
            upstream_connect_mode="ON_DOWNSTREAM_DATA",
            max_early_data_bytes=settings.buffer_bytes,
            **options,
        )
    )
    return {"name": name, "filter_chain_match": match, "filters": filters}


def _to_peeked() -> Config:
    """A server name out of scope behind a CONNECT that is not: nothing here ends its TLS."""
    on = typed(
        "envoy.filters.network.tcp_proxy",
        "filters.network.tcp_proxy.v3.TcpProxy",
        stat_prefix="outside",
        cluster=PEEKED,
    )
    return {"name": OUTSIDE, "filters": [on]}


def _leaf_by_name() -> Config:
    """End TLS with a certificate fetched by server name."""
    source = {
        "api_config_source": {
            "api_type": "DELTA_GRPC",
            "transport_api_version": "V3",
            "grpc_services": [{"envoy_grpc": {"cluster_name": clusters.AGENT}}],
        },
        "resource_api_version": "V3",
        "initial_fetch_timeout": "5s",
    }
    selector = typed(
        "envoy.tls.certificate_selectors.on_demand_secret",
        "transport_sockets.tls.cert_selectors.on_demand_secret.v3.Config",
        config_source=source,
        certificate_mapper=typed(
            "envoy.tls.certificate_mappers.sni",
            "transport_sockets.tls.cert_mappers.sni.v3.SNI",
            default_value=UNNAMED,
        ),
    )
    return typed(
        "envoy.transport_sockets.tls",
        "transport_sockets.tls.v3.DownstreamTlsContext",
        # On-demand certificates are refused unless both kinds of session resumption are off.
        disable_stateless_session_resumption=True,
        disable_stateful_session_resumption=True,
        common_tls_context={
            # No h2, as with S3 itself: a refusal in the middle of a body has to reset an h2 stream, and curl 7.88 then
            # shows a framing error instead of the reason.
            "alpn_protocols": ["http/1.1"],
            "custom_tls_certificate_selector": selector,
        },
    )


def _company_hop(settings: DataPathSettings) -> Config:
    """TLS to a real host, on its way through the company's proxy: its server name is the CONNECT target."""
    out = typed(
        "envoy.filters.network.tcp_proxy",
        "filters.network.tcp_proxy.v3.TcpProxy",
        stat_prefix="company",
        cluster=clusters.COMPANY,
        tunneling_config={"hostname": "%REQUESTED_SERVER_NAME%:443"},
        idle_timeout=duration(settings.idle_timeout_s),
    )
    return {
        "name": clusters.COMPANY_HOP,
        "internal_listener": {},
        "per_connection_buffer_limit_bytes": settings.buffer_bytes,
        "listener_filters": _inspectors(),
        "filter_chains": [{"filters": [out]}],
    }
