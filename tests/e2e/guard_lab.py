"""A real agent, a store with AWS's names, and boto3 clients with a guard: straight to the store, past the data path."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from botocore.config import Config
from haechi_connectors import guard

from tests.e2e.s3_lab import SEOUL, World, world
from tests.lab.straight import straight_to
from tests.stores import OURS, sdk_client


@dataclass(slots=True)
class Guarded:
    """``way`` is a proxy that judges nothing."""

    at: World
    way: str

    def client(self, *, comply: bool = False, through: str = "", region: str = SEOUL, **config: Any) -> Any:
        """A client with a guard; ``through`` the agent's proxy where that is named."""
        verify = str(self.at.bundle if through else self.at.store.ca)
        made = plain(through or self.way, verify, region, **config)
        return guard(made, comply=comply, agent=self.at.lab.socket)

    @property
    def proxy(self) -> str:
        """The agent's own."""
        return f"http://127.0.0.1:{self.at.proxy}"


def plain(way: str, verify: str, region: str = SEOUL, **config: Any) -> Any:
    """A client of OURS without a guard."""
    return sdk_client(
        "s3",
        region_name=region,
        aws_access_key_id=OURS.access_key,
        aws_secret_access_key=OURS.secret_key,
        verify=verify,
        config=Config(
            proxies={"https": way, "http": way},
            connect_timeout=5,
            read_timeout=30,
            retries={"total_max_attempts": 1},
            max_pool_connections=16,
            **config,
        ),
    )


@contextmanager
def guarded() -> Iterator[Guarded]:
    """One agent and one store, with a large tagged file too."""
    with world("moto", big=True) as at, straight_to(at.store.port) as way:
        yield Guarded(at, way)
