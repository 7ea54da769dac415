"""How Envoy handles the HTTP of a judged connection: the judge's two filters, routes, and nothing added. Pure.

Theory. Three ext_proc filters stand in a row, because a body mode that is chosen in the answer to the head lets the
head go. Which of them are on follows from the route:

==============================  ==============  =======================================================================
request                         filters on      what they do
==============================  ==============  =======================================================================
Content-Length 1…``SMALL``      *small*         head and body come at once (FULL_DUPLEX_STREAMED): one question, not two
marked with a one-time token    *judge*, *hold* *hold* takes head, body and trailers, and gives nothing back before the
                                                judge released the last piece
every other one                 *judge*         sees the head, and may switch the body to STREAMED or mark the request
==============================  ==============  =======================================================================

So a request passes no route without one of *small* and *judge*.
"""

from __future__ import annotations

from haechi.inbound.envoy import clusters
from haechi.inbound.envoy.extensions import EXTENSION, Config, duration, preserve_case, typed
from haechi.inbound.envoy.settings import DataPathSettings, Unanswered

JUDGE_FILTER = "haechi.judge"
HOLD_FILTER = "haechi.hold"
SMALL_FILTER = "haechi.small"
ASKING_FILTERS = (SMALL_FILTER, JUDGE_FILTER, HOLD_FILTER)
SMALL = 64 << 10
"""Bytes. Up to here asking once about head and body costs less than asking twice; both are held until answered."""
HOLD_HEADER = "x-haechi-hold"
ADDED_HEADER = "x-forwarded-proto"
WAY = "haechi-way"
ROLE = "haechi-role"
SOURCE_STATE = "haechi.source"
CONNECT_STATE = "haechi.connect"
UNANSWERED_STATUS = 510
"""Envoy's answer when no judge did, turned into the provider's shape by the local reply. A judge never sends it."""

ATTRIBUTES = (
    f"filter_state['{SOURCE_STATE}']",
    f"filter_state['{CONNECT_STATE}']",
    "connection.requested_server_name",
    "source.address",
    "destination.address",
)


def manager(
    name: str, filters: list[Config], virtual_hosts: list[Config], settings: DataPathSettings, **more: object
) -> Config:
    """An HTTP connection manager that passes requests on as they came."""
    router = typed("envoy.filters.http.router", "filters.http.router.v3.Router", suppress_envoy_headers=True)
    http1 = {"accept_http_10": True, "header_key_format": preserve_case(), "enable_trailers": True}
    fields: Config = {
        "stat_prefix": name,
        "http_filters": [*filters, router],
        "route_config": {"virtual_hosts": virtual_hosts, "ignore_port_in_host_matching": True},
        "http_protocol_options": http1,
        "http2_protocol_options": {
            "initial_stream_window_size": max(settings.buffer_bytes, 65535),
            "initial_connection_window_size": 16 << 20,
        },
        "common_http_protocol_options": {
            "idle_timeout": duration(settings.idle_timeout_s),
            "max_headers_count": 1000,
            "headers_with_underscores_action": "ALLOW",
        },
        "max_request_headers_kb": 256,
        "stream_idle_timeout": duration(settings.idle_timeout_s),
        "request_timeout": "0s",
        "request_headers_timeout": "60s",
        # Bytes are forwarded exactly as sent: nothing is tidied, nothing is added.
        "generate_request_id": False,
        "preserve_external_request_id": True,
        "skip_xff_append": True,
        "server_header_transformation": "PASS_THROUGH",
        # ``Expect: 100-continue`` is answered here, for a body held whole must come before the store is asked at all.
        "proxy_100_continue": False,
        "normalize_path": False,
        "merge_slashes": False,
        "path_with_escaped_slashes_action": "KEEP_UNCHANGED",
        "local_reply_config": {"mappers": [_refusal(reply) for reply in settings.unanswered]},
    }
    return typed(
        "envoy.filters.network.http_connection_manager",
        "filters.network.http_connection_manager.v3.HttpConnectionManager",
        **(fields | more),
    )


def judged(name: str, way: str, settings: DataPathSettings, *, tls: bool, **more: object) -> Config:
    """The manager of a judged connection. ``way`` is told to the judge."""
    return manager(name, judged_filters(way, settings), judged_hosts(settings, tls=tls), settings, **more)


def judged_filters(way: str, settings: DataPathSettings) -> list[Config]:
    """The judge's filters and the resolver behind them."""
    whole = {
        "response_header_mode": "SKIP",
        "request_body_mode": "FULL_DUPLEX_STREAMED",
        "request_trailer_mode": "SEND",
    }
    return [
        _asking(SMALL_FILTER, way, "small", whole, settings),
        _asking(JUDGE_FILTER, way, "judge", {"response_header_mode": "SKIP"}, settings, allow_mode_override=True),
        _asking(HOLD_FILTER, way, "hold", whole, settings),
        typed(
            "envoy.filters.http.dynamic_forward_proxy",
            "filters.http.dynamic_forward_proxy.v3.FilterConfig",
            dns_cache_config=clusters.dns_cache(settings),
        ),
    ]


def judged_hosts(settings: DataPathSettings, *, tls: bool) -> list[Config]:
    """Which cluster serves which host."""
    purpose = "tls" if tls else "plain"
    hosts = [
        _host(f"{purpose}-override-{number}", [override.pattern], clusters.override_name(override, purpose))
        for number, override in enumerate(settings.hosts)
        if override.plain is not tls
    ]
    default = clusters.UPSTREAM_TLS if tls else clusters.UPSTREAM_PLAIN
    if settings.upstream_proxy and tls:
        named = {override.pattern for override in settings.hosts if not override.plain}
        bypass = [pattern for pattern in settings.upstream_proxy.bypass if pattern not in named]
        if bypass:
            hosts.append(_host("bypass", bypass, default))
        default = clusters.VIA_COMPANY
    return [*hosts, _host("any", ["*"], default)]


def _host(name: str, domains: list[str], cluster: str) -> Config:
    route = {
        "cluster": cluster,
        "timeout": "0s",
        "idle_timeout": "0s",
        "upgrade_configs": [{"upgrade_type": "websocket", "enabled": False}],
    }
    off = {"@type": EXTENSION + "filters.http.ext_proc.v3.ExtProcPerRoute", "disabled": True}
    small = {"name": "content-length", "range_match": {"start": 1, "end": SMALL + 1}}
    return {
        "name": name,
        "domains": domains,
        # Envoy adds it to every request and has no switch for that; a client's own is lost with it.
        "request_headers_to_remove": [ADDED_HEADER],
        "routes": [
            {
                "match": {"prefix": "", "headers": [{"name": HOLD_HEADER, "present_match": True}]},
                "route": {**route, "cluster": cluster + clusters.HELD},
                "typed_per_filter_config": {SMALL_FILTER: off},
            },
            {
                "match": {"prefix": "", "headers": [small]},
                "route": route,
                "typed_per_filter_config": {JUDGE_FILTER: off, HOLD_FILTER: off},
            },
            {
                "match": {"prefix": ""},
                "route": route,
                "typed_per_filter_config": {SMALL_FILTER: off, HOLD_FILTER: off},
            },
        ],
    }


def _asking(name: str, way: str, role: str, mode: Config, settings: DataPathSettings, **more: object) -> Config:
    return typed(
        name,
        "filters.http.ext_proc.v3.ExternalProcessor",
        grpc_service={
            "envoy_grpc": {"cluster_name": clusters.AGENT},
            "initial_metadata": [{"key": WAY, "value": way}, {"key": ROLE, "value": role}],
        },
        failure_mode_allow=False,
        status_on_error={"code": UNANSWERED_STATUS},
        processing_mode=mode,
        message_timeout=duration(settings.judge_timeout_s),
        # Without this the body goes out chunked, which S3 answers with 501.
        allow_content_length_header=True,
        request_attributes=list(ATTRIBUTES),
        **more,
    )


def _refusal(reply: Unanswered) -> Config:
    status = {"default_value": UNANSWERED_STATUS, "runtime_key": "haechi.unanswered"}
    failed: Config = {"status_code_filter": {"comparison": {"op": "EQ", "value": status}}}
    # A judge that is late gives 504, whatever ``status_on_error`` says.
    late = typed(
        "envoy.access_loggers.extension_filters.cel",
        "access_loggers.filters.cel.v3.ExpressionFilter",
        expression="response.code == 504 && response.code_details.startsWith('ext_proc')",
    )
    unanswered: Config = {"or_filter": {"filters": [failed, {"extension_filter": late}]}}
    if reply.hosts:
        header = {"name": ":authority", "string_match": {"safe_regex": {"regex": reply.hosts}}}
        unanswered = {"and_filter": {"filters": [unanswered, {"header_filter": {"header": header}}]}}
    return {
        "filter": unanswered,
        "status_code": 403,
        "body_format_override": {
            "text_format_source": {"inline_string": reply.body.replace("%", "%%")},
            "content_type": reply.content_type,
        },
    }
