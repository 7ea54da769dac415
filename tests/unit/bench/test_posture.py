"""The door that counts: what follows each other is counted as that, what comes together as one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from bench.posture import Door


@pytest.fixture
def door() -> Iterator[Door]:
    store: Any = None  # nothing is handed on here
    made = Door(store, held=0.3)
    yield made
    made.server_close()


def together(door: Door, count: int) -> None:
    threads = [threading.Thread(target=door.comes, args=("GET", f"/box-{n}?versioning")) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()


def test_what_comes_together_is_one_round_and_what_waits_for_it_another(door: Door) -> None:
    together(door, 12)
    assert door.opened == 1
    together(door, 1)
    together(door, 3)
    assert door.opened == 3


def test_reads_are_counted_by_container(door: Door) -> None:
    door.held = 0.0
    for target in ("/box?versioning", "/box?acl", "/other?versioning=", "/box?versioning&x=1", "/box/key"):
        door.comes("GET", target)
    door.comes("PUT", "/box?versioning")
    assert door.reads() == {"box": 2, "other": 1}
