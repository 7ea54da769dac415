"""How Envoy handles the HTTP of a judged connection: the judge's filters, routes, and nothing added. Pure.

Theory. Three filters stand in a row; which of them are on follows from the route:

==============================  ==============  =======================================================================
request                         filters on      what they do
==============================  ==============  =======================================================================
Content-Length 0…``SMALL``, or  *check*         keeps head and body and asks once (ext_authz). The answer may be that
no body at all                                  the *judge* has to be asked instead (``APART_HEADER``)
every other one                 *judge*         sees the head, and nothing of a body: either lets the request go, or
                                                marks it with a one-time token
marked: ``pieces-…``            *judge*,*body*  *body* gives back each piece of the body when it was judged (STREAMED)
marked: anything else           *judge*,*body*  *body* takes head, body and trailers, and gives nothing back before the
                                                judge released the last piece (FULL_DUPLEX_STREAMED)
==============================  ==============  =======================================================================

So a request passes no route without one of *check* and *judge*. Judge and body are two (both ext_proc) because names
are looked up between them: only for what the judge lets go, but before anybody has the body. Nothing behind *body* may
ever pause a request: Envoy would go on from such a pause with a head that has no body, since that is with the judge,
and the store would take it for an empty object.
"""

from __future__ import annotations

from haechi.inbound.envoy import clusters
from haechi.inbound.envoy.extensions import EXTENSION, Config, duration, preserve_case, typed
from haechi.inbound.envoy.settings import DataPathSettings, Unanswered

JUDGE_FILTER = "haechi.judge"
BODY_FILTER = "haechi.body"
CHECK_FILTER = "haechi.check"
SMALL = 64 << 10
"""Bytes. Up to here asking once about head and body costs less than a stream; both are kept until answered."""
CHECK_PREFIX = "/check"
"""Before every path that is asked about, so that none of them is taken for another question."""
CONNECTION_HEADER = "x-haechi-connection"
"""What a check says of the connection: way, scheme, source, local address, CONNECT target, server name. Always set, so
that a client's own header of this name never arrives.
"""
END = "."
"""Ends that header, lest an empty server name is trimmed away with the space before it."""
BODY_HEADER = "x-haechi-body"
"""Carries the one-time token of a body that is to be judged."""
PIECES_TOKEN, WHOLE_TOKEN = "pieces-", "whole-"
"""How a token begins, which says how the body is judged."""
APART_HEADER = "x-haechi-apart"
"""On a request that the judge is to see on a stream. A client that sets it gets just that."""
ADDED_HEADER = "x-forwarded-proto"
WAY = "haechi-way"
SCHEME = "haechi-scheme"
"""What the connection is, told by its listener: what a client says of it (``x-forwarded-proto``) proves nothing."""
ROLE = "haechi-role"
SOURCE_STATE = "haechi.source"
CONNECT_STATE = "haechi.connect"
SERVED_BY = ("server", "haechi")
"""On every answer that is the judge's own."""
UNANSWERED_STATUS = 510
"""Envoy's answer when no judge did, turned into the provider's shape by the local reply. A judge never sends it."""

_EXT_PROC_OFF: Config = {"@type": EXTENSION + "filters.http.ext_proc.v3.ExtProcPerRoute", "disabled": True}
_CHECK_OFF: Config = {"@type": EXTENSION + "filters.http.ext_authz.v3.ExtAuthzPerRoute", "disabled": True}
NOTHING_ASKED: Config = {CHECK_FILTER: _CHECK_OFF, JUDGE_FILTER: _EXT_PROC_OFF, BODY_FILTER: _EXT_PROC_OFF}
"""What a route says per filter when nobody is asked."""


def _bodies(mode: str) -> Config:
    """What a route says whose bodies are judged: the store's answer is shown, too. So one that comes before the body's
    end can wait (see ``stream``), and the judge can hear it; where the body goes both ways, Envoy takes no change of
    that from the judge. Not for every request: of one that Envoy itself turns away (two lengths, say) its answer would
    be lost.
    """
    shown: Config = {"request_header_mode": "SEND", "response_header_mode": "SEND", "request_body_mode": mode}
    # Without it a body that ends in trailers would end unseen.
    shown["request_trailer_mode"] = "SEND"
    return {"@type": EXTENSION + "filters.http.ext_proc.v3.ExtProcPerRoute", "overrides": {"processing_mode": shown}}


_IN_PIECES, _WHOLE = _bodies("STREAMED"), _bodies("FULL_DUPLEX_STREAMED")

_NOT_ENVOYS = "[^x].*|x[^-].*|x-[^e].*|x-e[^n].*"
"""A refusal's headers, without the one (``x-envoy-upstream-service-time``) that Envoy gave it on the way from us."""

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
    return manager(name, judged_filters(way, settings, tls=tls), judged_hosts(settings, tls=tls), settings, **more)


def judged_filters(way: str, settings: DataPathSettings, *, tls: bool) -> list[Config]:
    """The judge's filters and the resolver behind them."""
    head_only = {"response_header_mode": "SKIP"}
    whole = {
        "response_header_mode": "SKIP",
        "request_body_mode": "FULL_DUPLEX_STREAMED",
        "request_trailer_mode": "SEND",
    }
    return [
        _checking(way, settings, tls=tls),
        _asking(JUDGE_FILTER, way, "judge", head_only, settings, tls=tls),
        typed(
            "envoy.filters.http.dynamic_forward_proxy",
            "filters.http.dynamic_forward_proxy.v3.FilterConfig",
            dns_cache_config=clusters.dns_cache(settings),
        ),
        _asking(BODY_FILTER, way, "body", whole, settings, tls=tls),
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
    judge_only = {CHECK_FILTER: _CHECK_OFF, BODY_FILTER: _EXT_PROC_OFF}
    check_only = {JUDGE_FILTER: _EXT_PROC_OFF, BODY_FILTER: _EXT_PROC_OFF}
    pieces: Config = {"name": BODY_HEADER, "string_match": {"prefix": PIECES_TOKEN}}
    small = {"name": "content-length", "range_match": {"start": 0, "end": SMALL + 1}}
    no_body: list[Config] = [
        {"name": ":method", "string_match": {"safe_regex": {"regex": "GET|HEAD|DELETE|OPTIONS"}}},
        {"name": "content-length", "present_match": True, "invert_match": True},
        {"name": "transfer-encoding", "present_match": True, "invert_match": True},
    ]

    def asked(headers: list[Config], to: Config, per_filter: Config) -> Config:
        return {"match": {"prefix": "", "headers": headers}, "route": to, "typed_per_filter_config": per_filter}

    return {
        "name": name,
        "domains": domains,
        # Envoy adds the first to every request and has no switch for that; a client's own is lost with it.
        "request_headers_to_remove": [ADDED_HEADER, APART_HEADER],
        "request_headers_to_add": [_EXPECT_AGAIN],
        "routes": [
            asked([pieces], route, {CHECK_FILTER: _CHECK_OFF, BODY_FILTER: _IN_PIECES}),
            asked(
                [_present(BODY_HEADER)],
                {**route, "cluster": cluster + clusters.HELD},
                {CHECK_FILTER: _CHECK_OFF, BODY_FILTER: _WHOLE},
            ),
            asked([_present(APART_HEADER)], route, judge_only),
            asked([small], route, check_only),
            asked(no_body, route, check_only),
            asked([], route, judge_only),
        ],
    }


_EXPECT_AGAIN: Config = {
    "header": {
        "key": "expect",
        "value": "%CEL('authorization' in request.headers && "
        "request.headers['authorization'].matches('SignedHeaders=[a-z0-9;-]*\\\\bexpect\\\\b') ? '100-Continue' : '')%",
    },
    "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
}
"""The header that Envoy answered and took out, put back for the store where the client signed it (boto 2 and gsutil
sign every header, and write this one so): without it no signature is right. The store gets the body without waiting.
"""


def _scheme(*, tls: bool) -> str:
    return "https" if tls else "http"


def _present(header: str) -> Config:
    return {"name": header, "present_match": True}


def _checking(way: str, settings: DataPathSettings, *, tls: bool) -> Config:
    state = "%FILTER_STATE({}:PLAIN)%"
    source = "%DOWNSTREAM_REMOTE_ADDRESS%" if way == "redirect" else state.format(SOURCE_STATE)
    scheme, local, connect = _scheme(tls=tls), "%DOWNSTREAM_LOCAL_ADDRESS%", state.format(CONNECT_STATE)
    about = " ".join((way, scheme, source, local, connect, "%REQUESTED_SERVER_NAME%", END))
    return typed(
        CHECK_FILTER,
        "filters.http.ext_authz.v3.ExtAuthz",
        transport_api_version="V3",
        http_service={
            "server_uri": {
                "uri": "http://agent",
                "cluster": clusters.CHECKS,
                "timeout": duration(settings.judge_timeout_s),
            },
            "path_prefix": CHECK_PREFIX,
            "authorization_request": {"headers_to_add": [{"key": CONNECTION_HEADER, "value": about}]},
            "authorization_response": {
                "allowed_upstream_headers": {"patterns": [{"exact": APART_HEADER}]},
                "allowed_client_headers": {"patterns": [{"safe_regex": {"regex": _NOT_ENVOYS}}]},
            },
        },
        allowed_headers={"patterns": [{"safe_regex": {"regex": ".*"}}]},
        with_request_body={"max_request_bytes": SMALL, "allow_partial_message": False, "pack_as_bytes": True},
        clear_route_cache=True,
        failure_mode_allow=False,
        status_on_error={"code": UNANSWERED_STATUS},
    )


def _asking(name: str, way: str, role: str, mode: Config, settings: DataPathSettings, *, tls: bool) -> Config:
    said = {WAY: way, SCHEME: _scheme(tls=tls), ROLE: role}
    return typed(
        name,
        "filters.http.ext_proc.v3.ExternalProcessor",
        grpc_service={
            "envoy_grpc": {"cluster_name": clusters.AGENT},
            "initial_metadata": [{"key": key, "value": value} for key, value in said.items()],
        },
        failure_mode_allow=False,
        status_on_error={"code": UNANSWERED_STATUS},
        processing_mode=mode,
        message_timeout=duration(settings.judge_timeout_s),
        # Without this the body goes out chunked, which S3 answers with 501.
        allow_content_length_header=True,
        # The judge says for which requests it hears the store's answer.
        allow_mode_override=True,
        request_attributes=list(ATTRIBUTES),
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
