"""An Envoy that ends as soon as it is started gives its own complaint, not the supervisor's."""

from __future__ import annotations

from pathlib import Path

import pytest
import structlog
from haechi.domain.errors import HaechiError
from haechi.inbound.envoy.supervisor import EnvoySupervisor, State


def supervised(folder: Path, script: str) -> EnvoySupervisor:
    program = folder / "envoy"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return EnvoySupervisor(
        program, folder / "envoy.json", folder, lambda: False, concurrency=1, linger_s=1, log=structlog.get_logger()
    )


@pytest.mark.parametrize(
    ("script", "code", "reason"),
    [
        ("exit 1", "datapath.envoy-died", ""),
        ("echo '[1][critical][main] cannot bind'; exit 1", "datapath.envoy-config", "cannot bind"),
    ],
    ids=["silent", "complaining"],
)
async def test_an_envoy_that_ends_at_once_is_named(tmp_path: Path, script: str, code: str, reason: str) -> None:
    supervisor = supervised(tmp_path, script)
    with pytest.raises(HaechiError) as raised:
        await supervisor.start()
    assert (raised.value.code, raised.value.params["status"]) == (code, 1)
    assert raised.value.params["reason"] == reason
    assert (supervisor.state, supervisor.pid) == (State.STOPPED, None)
    assert not (tmp_path / "envoy.pid").exists()
