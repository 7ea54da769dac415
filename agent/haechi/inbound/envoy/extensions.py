"""Small pieces of Envoy configuration that every listener and cluster is put together from. Pure."""

from __future__ import annotations

from typing import Any, TypeAlias

Config: TypeAlias = dict[str, Any]

TYPES = "type.googleapis.com/"
EXTENSION = TYPES + "envoy.extensions."


def typed(name: str, kind: str, **fields: Any) -> Config:
    """A named extension with its typed configuration; ``kind`` is the type below ``envoy.extensions``."""
    return {"name": name, "typed_config": {"@type": EXTENSION + kind, **fields}}


def socket_address(host: str, port: int) -> Config:
    """A TCP address."""
    return {"socket_address": {"address": host, "port_value": port}}


def endpoints(cluster: str, address: Config) -> Config:
    """The load assignment of a cluster with one endpoint."""
    return {"cluster_name": cluster, "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}]}


def duration(seconds: float) -> str:
    """A duration as protobuf's JSON form wants it."""
    return f"{seconds:.3f}s"


def preserve_case() -> Config:
    """HTTP/1 header names leave as they came."""
    return {
        "stateful_formatter": typed(
            "envoy.http.stateful_header_formatters.preserve_case",
            "http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig",
        )
    }


def remember(entries: tuple[tuple[str, str, str], ...]) -> list[Config]:
    """Filter state to set: (key, factory, format), carried over the internal hop."""
    return [
        {
            "object_key": key,
            "factory_key": factory,
            "format_string": {"text_format_source": {"inline_string": value}},
            "shared_with_upstream": "TRANSITIVE",
            "skip_if_empty": True,
        }
        for key, factory, value in entries
    ]
