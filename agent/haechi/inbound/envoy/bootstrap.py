"""Envoy's whole configuration from the settings: a pure function, serialised to JSON.

The admin interface is a Unix socket in the private folder: whoever reaches it could change how Envoy behaves.
"""

from __future__ import annotations

import json

from haechi.inbound.envoy import clusters
from haechi.inbound.envoy.extensions import Config, typed
from haechi.inbound.envoy.listeners import JUDGED, PEEKED, listeners
from haechi.inbound.envoy.settings import DataPathSettings


def bootstrap(
    settings: DataPathSettings, agent_socket: str, checks_socket: str, upstream_roots: str, admin_socket: str
) -> Config:
    """The configuration. ``agent_socket``: the Unix socket of the agent's gRPC server, ``checks_socket``
    that of its checks; ``upstream_roots``: the PEM
    file with which real hosts are verified; ``admin_socket``: where Envoy's own figures are asked for.
    """
    return {
        "node": {"id": "haechi", "cluster": "haechi"},
        "bootstrap_extensions": [
            typed("envoy.bootstrap.internal_listener", "bootstrap.internal_listener.v3.InternalListener")
        ],
        "admin": {"address": {"pipe": {"path": admin_socket, "mode": 0o600}}},
        "overload_manager": {
            "resource_monitors": [
                typed(
                    "envoy.resource_monitors.global_downstream_max_connections",
                    "resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
                    max_active_downstream_connections=settings.max_connections,
                )
            ]
        },
        "static_resources": {
            "listeners": listeners(settings),
            "clusters": [
                *clusters.clusters(settings, agent_socket, checks_socket, upstream_roots),
                clusters.internal(JUDGED, JUDGED),
                clusters.internal(PEEKED, PEEKED),
            ],
        },
    }


def as_text(config: Config) -> str:
    """JSON, stable so that two equal settings give equal files."""
    return json.dumps(config, indent=1, sort_keys=True, ensure_ascii=False)
