"""The data path alone, in a process of its own: with a judge that does the peers' job, or with no judge at all.

``python -m bench.judges hashing|none FOLDER PORT CA`` prints the proxy's port and its bundle when it is ready.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import structlog
from blake3 import blake3
from haechi.domain.scope import Scope, ScopeMode
from haechi.domain.upload import Request
from haechi.inbound.envoy import datapath
from haechi.inbound.envoy.authority import Authority
from haechi.inbound.envoy.datapath import DataPath
from haechi.inbound.envoy.settings import DataPathSettings, HostOverride
from haechi.ports.judge import Connection, Forward, Hold, Inspect, Judging, Refuse


class Hashing:
    """Hashes the body while it streams, decides nothing."""

    def __init__(self) -> None:
        self._digest = blake3()

    async def head(self) -> Forward | Inspect | Refuse:
        """See the body."""
        return Inspect(Hold.PIECES)

    async def piece(self, data: bytes | memoryview, last: bool) -> Forward | Refuse:
        """Hash and release."""
        self._digest.update(data)
        if last:
            self._digest.hexdigest()
        return Forward()

    async def overflow(self) -> Refuse:
        """Never: nothing is held."""
        raise NotImplementedError

    @property
    def heeds(self) -> bool:
        """Never."""
        return False

    async def answered(self, status: int) -> None:
        """Never: nobody heeds it."""
        raise NotImplementedError

    async def abandoned(self, cause: str) -> None:
        """Nothing to do."""


class HashingJudge:
    """Opens the above."""

    def open(self, connection: Connection, request: Request) -> Judging:
        """One for each request."""
        return Hashing()


def without_judge(config: Any) -> Any:
    """Envoy's configuration with every question to the judge taken out; certificates still come from us."""
    if isinstance(config, dict):
        return {name: without_judge(value) for name, value in config.items()}
    if isinstance(config, list):
        return [without_judge(one) for one in config if not _asks(one)]
    return config


def _asks(part: Any) -> bool:
    typed = part.get("typed_config") if isinstance(part, dict) else None
    kind = typed.get("@type", "") if isinstance(typed, dict) else ""
    return any(asking in kind for asking in ("filters.http.ext_proc", "filters.http.ext_authz"))


async def serve(kind: str, folder: Path, port: int, ca: Path) -> None:
    """Until killed."""
    if kind == "none":
        made = datapath.bootstrap
        datapath.bootstrap = lambda *arguments: without_judge(made(*arguments))  # type: ignore[assignment]
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    scope = Scope.of(ScopeMode.CLOUD, ["*.amazonaws.com"], [])
    settings = DataPathSettings(
        scope=scope, hosts=(HostOverride("*.amazonaws.com", "127.0.0.1", port),), extra_roots=(ca,)
    )
    path = DataPath(
        settings, HashingJudge(), Authority.open(folder / "authority", scope), folder / "run", structlog.get_logger()
    )
    await path.start()
    print(path.proxy_port, path.bundle, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])))
