"""Envoy's whole configuration from the settings: a pure function, serialised to JSON.

No admin interface is configured: whoever reaches it could read keys and change routes.
"""

from __future__ import annotations

import json

from haechi.inbound.envoy import clusters
from haechi.inbound.envoy.extensions import Config, typed
from haechi.inbound.envoy.listeners import JUDGED, PEEKED, listeners
from haechi.inbound.envoy.settings import DataPathSettings


def bootstrap(settings: DataPathSettings, agent_socket: str, upstream_roots: str) -> Config:
    """The configuration. ``agent_socket``: the Unix socket of the agent's gRPC server; ``upstream_roots``: the PEM
    file with which real hosts are verified.
    """
    return {
        "node": {"id": "haechi", "cluster": "haechi"},
        "bootstrap_extensions": [
            typed("envoy.bootstrap.internal_listener", "bootstrap.internal_listener.v3.InternalListener")
        ],
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
                *clusters.clusters(settings, agent_socket, upstream_roots),
                clusters.internal(JUDGED, JUDGED),
                clusters.internal(PEEKED, PEEKED),
            ],
        },
    }


def as_text(config: Config) -> str:
    """JSON, stable so that two equal settings give equal files."""
    return json.dumps(config, indent=1, sort_keys=True, ensure_ascii=False)
