from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest
from haechi.outbound.trust import Role, SigningKey, TrustStore

EXAMPLE = Path(__file__).parents[3] / "policies" / "examples" / "registry.yaml"


class HandClock:
    def __init__(self) -> None:
        self.at = dt.datetime(2026, 2, 1, tzinfo=dt.UTC)

    def now(self) -> dt.datetime:
        return self.at

    def monotonic(self) -> float:
        return self.at.timestamp()


class Team:
    """The security team: its keys, its trust list, and what it signs."""

    def __init__(self, folder: Path, clock: HandClock) -> None:
        self.folder, self.clock = folder, clock
        self.keys = {role: SigningKey.generate() for role in ("policy", "registry", "release")}
        self.entries = [{"roles": [role], "key": key.jwk(), "name": role} for role, key in self.keys.items()]

    def trust(self) -> TrustStore:
        path = self.folder / "trust.yaml"
        path.write_text(json.dumps({"schema": "haechi.trust/1", "keys": self.entries}))
        path.chmod(0o644)
        return TrustStore.load(path, self.clock)

    def registry(self, text: str, path: Path | None = None, key: SigningKey | None = None) -> Path:
        path = path or self.folder / "registry.yaml"
        path.write_text(text)
        signature = (key or self.keys["registry"]).sign(Role.REGISTRY, text.encode())
        path.with_name(path.name + ".sig").write_text(signature + "\n")
        return path


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def team(tmp_path: Path, clock: HandClock) -> Team:
    return Team(tmp_path, clock)


@pytest.fixture
def example() -> str:
    return EXAMPLE.read_text()
