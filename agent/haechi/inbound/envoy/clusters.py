"""Where Envoy may connect to: the real hosts, overridden hosts, a company's proxy, the agent. Pure.

Theory. Every upstream certificate is verified for the name that the request carries (``auto_sni``,
``auto_san_validation``), also where the address is overridden or a company proxy stands between. Behind a company
proxy, TLS to the real host runs inside an internal connection whose server name becomes the CONNECT target.
"""

from __future__ import annotations

from haechi.inbound.envoy.extensions import EXTENSION, Config, duration, endpoints, preserve_case, socket_address, typed
from haechi.inbound.envoy.settings import DataPathSettings, HostOverride

AGENT = "agent"
CHECKS = "agent-checks"
UPSTREAM_TLS = "upstream-tls"
UPSTREAM_PLAIN = "upstream-plain"
TUNNEL = "tunnel"
VIA_COMPANY = "via-company-tls"
COMPANY = "company"
COMPANY_HOP = "company-hop"
HELD = "-held"
"""Behind the name of the clusters that bodies held whole leave by: their buffers are watched apart."""
HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"

_HEALTH_S = 5.0
"""How long the agent may take to say that it is there; two silences in a row count as gone."""
_CONNECT_S = 15.0
RESOLVE_S = 5.0
"""How long the look-up of a name may take."""
_CHECKS_IDLE_S = 60.0
HEALTH_PATH = "/-/healthy"
"""Where the agent's HTTP service says that it is there."""
_AGENT_WINDOW = 16 << 20
_STREAM_WINDOW = 1 << 20


def override_name(override: HostOverride, purpose: str) -> str:
    """The cluster of an override, for ``tls``, ``plain`` or ``tunnel`` traffic."""
    return f"override-{purpose}-{override.address}-{override.port}".replace(":", "_")


def clusters(settings: DataPathSettings, agent_socket: str, checks_socket: str, upstream_roots: str) -> list[Config]:
    """Every cluster of the bootstrap."""
    made = [
        _agent(settings, agent_socket),
        _checks(settings, checks_socket),
        {**_dynamic(settings, UPSTREAM_TLS, tls=True), "transport_socket": _tls(upstream_roots), **_http(names=True)},
        {**_dynamic(settings, UPSTREAM_PLAIN), **_http(names=False)},
        _dynamic(settings, TUNNEL),
    ]
    seen: set[str] = set()
    for override in settings.hosts:
        for purpose in ("plain", "tunnel") if override.plain else ("tls", "tunnel"):
            name = override_name(override, purpose)
            if name in seen:
                continue
            seen.add(name)
            cluster = _fixed(settings, name, override.address, override.port)
            if purpose == "tls":
                cluster |= {"transport_socket": _tls(upstream_roots), **_http(names=True)}
            elif purpose == "plain":
                cluster |= _http(names=False)
            made.append(cluster)
    if settings.upstream_proxy:
        made += _company(settings, settings.upstream_proxy.host, settings.upstream_proxy.port, upstream_roots)
    return made + [
        _held(cluster)
        for cluster in made
        if HTTP_OPTIONS in _protocols(cluster) and cluster["name"] not in (AGENT, CHECKS)
    ]


def _protocols(cluster: Config) -> Config:
    options: Config = cluster.get("typed_extension_protocol_options", {})
    return options


def _held(cluster: Config) -> Config:
    """The same cluster for bodies that were held whole."""
    twin = {**cluster, "name": cluster["name"] + HELD}
    if "load_assignment" in twin:
        twin["load_assignment"] = {**twin["load_assignment"], "cluster_name": twin["name"]}
    return twin


def internal(name: str, listener: str) -> Config:
    """A cluster that leads to an internal listener of this Envoy, filter state included."""
    return {
        "name": name,
        "connect_timeout": duration(_CONNECT_S),
        "load_assignment": endpoints(name, {"envoy_internal_address": {"server_listener_name": listener}}),
        "transport_socket": typed(
            "envoy.transport_sockets.internal_upstream",
            "transport_sockets.internal_upstream.v3.InternalUpstreamTransport",
            transport_socket=typed("envoy.transport_sockets.raw_buffer", "transport_sockets.raw_buffer.v3.RawBuffer"),
        ),
    }


def dns_cache(settings: DataPathSettings) -> Config:
    """The one cache of resolved names; the same everywhere, as Envoy asks."""
    return {
        "name": "names",
        "dns_lookup_family": "V4_PREFERRED",
        "dns_query_timeout": duration(RESOLVE_S),
        "max_hosts": settings.max_names,
        "dns_cache_circuit_breaker": {"max_pending_requests": 4096},
    }


def _dynamic(settings: DataPathSettings, name: str, *, tls: bool = False) -> Config:
    return {
        "name": name,
        "connect_timeout": duration(_CONNECT_S),
        "lb_policy": "CLUSTER_PROVIDED",
        "per_connection_buffer_limit_bytes": settings.buffer_bytes,
        "circuit_breakers": _breakers(settings),
        "cluster_type": typed(
            "envoy.clusters.dynamic_forward_proxy",
            "clusters.dynamic_forward_proxy.v3.ClusterConfig",
            dns_cache_config=dns_cache(settings),
            # Envoy's word for "no TLS of its own": plain HTTP, and tunnels whose TLS is the client's.
            allow_insecure_cluster_options=not tls,
        ),
    }


def _fixed(settings: DataPathSettings, name: str, host: str, port: int) -> Config:
    literal = host.replace(".", "").isdigit() or ":" in host
    return {
        "name": name,
        "type": "STATIC" if literal else "STRICT_DNS",
        "connect_timeout": duration(_CONNECT_S),
        "per_connection_buffer_limit_bytes": settings.buffer_bytes,
        "circuit_breakers": _breakers(settings),
        "load_assignment": endpoints(name, socket_address(host, port)),
    }


def _agent(settings: DataPathSettings, socket: str) -> Config:
    return {
        **_asked(AGENT, socket, {"grpc_health_check": {}}, settings),
        "per_connection_buffer_limit_bytes": max(_STREAM_WINDOW, settings.buffer_bytes),
        "typed_extension_protocol_options": {
            HTTP_OPTIONS: {
                "@type": EXTENSION + "upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {
                    "http2_protocol_options": {
                        "max_concurrent_streams": 2000,
                        # One slow body must not stall the judging of the others on the same connection.
                        "initial_stream_window_size": max(_STREAM_WINDOW, settings.buffer_bytes),
                        "initial_connection_window_size": max(_AGENT_WINDOW, settings.buffer_bytes),
                        # A process that is stopped answers no ping, and is taken for dead sooner than by its health
                        # (which a hung event loop fails, though its pings are answered by a thread of their own).
                        "connection_keepalive": {
                            "interval": duration(settings.judge_timeout_s / 4),
                            "timeout": duration(settings.judge_timeout_s / 2),
                        },
                    }
                },
            }
        },
    }


def _checks(settings: DataPathSettings, socket: str) -> Config:
    return {
        **_asked(CHECKS, socket, {"http_health_check": {"path": HEALTH_PATH}}, settings),
        "typed_extension_protocol_options": {
            HTTP_OPTIONS: {
                "@type": EXTENSION + "upstreams.http.v3.HttpProtocolOptions",
                "common_http_protocol_options": {"idle_timeout": duration(_CHECKS_IDLE_S)},
                "explicit_http_config": {"http_protocol_options": {}},
            }
        },
    }


def _asked(name: str, socket: str, health: Config, settings: DataPathSettings) -> Config:
    """A cluster that is one socket of the agent."""
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "2s",
        "circuit_breakers": _breakers(settings),
        "load_assignment": endpoints(name, {"pipe": {"path": socket}}),
        # Bodies that are given without waiting for answers have no time-out in Envoy: an agent that hangs is found by
        # asking it. What it was asked before then fails at once, and so is refused.
        "health_checks": [
            {
                "timeout": duration(_HEALTH_S),
                "interval": duration(_HEALTH_S / 2),
                "no_traffic_interval": duration(_HEALTH_S / 2),
                "unhealthy_interval": "0.5s",
                "unhealthy_threshold": 2,
                "healthy_threshold": 1,
                **health,
            }
        ],
        "close_connections_on_host_health_failure": True,
        # Never "rather a sick one than none".
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
    }


def _company(settings: DataPathSettings, host: str, port: int, roots: str) -> list[Config]:
    hop = internal(VIA_COMPANY, COMPANY_HOP)
    return [
        {**hop, "transport_socket": _tls(roots), "circuit_breakers": _breakers(settings), **_http(names=True)},
        _fixed(settings, COMPANY, host, port),
    ]


def _breakers(settings: DataPathSettings) -> Config:
    bound = settings.max_connections
    limits = {"max_connections": bound, "max_pending_requests": bound, "max_requests": bound, "max_retries": 0}
    return {"thresholds": [limits]}


def _http(*, names: bool) -> Config:
    http1 = {"header_key_format": preserve_case(), "enable_trailers": True}
    options: Config = {"@type": EXTENSION + "upstreams.http.v3.HttpProtocolOptions"}
    if names:
        options |= {
            "upstream_http_protocol_options": {"auto_sni": True, "auto_san_validation": True},
            "auto_config": {"http_protocol_options": http1, "http2_protocol_options": {}},
        }
    else:
        options["explicit_http_config"] = {"http_protocol_options": http1}
    return {"typed_extension_protocol_options": {HTTP_OPTIONS: options}}


def _tls(roots: str) -> Config:
    return typed(
        "envoy.transport_sockets.tls",
        "transport_sockets.tls.v3.UpstreamTlsContext",
        common_tls_context={"validation_context": {"trusted_ca": {"filename": roots}}},
    )
