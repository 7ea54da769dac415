"""A body that is larger than the room for bodies held whole: refused in words, and the room comes back."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.e2e.fault_lab import KIB, MIB, TOKYO, ward
from tests.stores import Landscape, MotoStore, started_store

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def shop() -> Iterator[tuple[MotoStore, Landscape]]:
    with started_store() as made:
        yield made


def test_a_body_that_is_larger_than_the_spool_is_refused_and_the_room_comes_back(shop) -> None:
    with ward(*shop, datapath=f"spool_limit = {MIB}") as at:
        keys = [at.key("abroad") for _ in range(3)]
        answer = at.put(keys[0], os.urandom(3 * MIB), bucket=at.land.tokyo, region=TOKYO)
        at.refused(answer, "no room left to hold back", "spool_limit", cause="spool-full")
        held = at.status()["parts"]["data_path"]
        assert (held["spool_full"], held["spool_left"]) == (1, MIB)
        content = os.urandom(512 * KIB)
        assert at.put(keys[1], content, bucket=at.land.tokyo, region=TOKYO).status == 200
        assert at.held(keys[1], bucket=at.land.tokyo) == content
        at.refused(at.put(keys[2], at.tagged, bucket=at.land.tokyo, region=TOKYO), "R")
        at.absent(keys[0], keys[2], bucket=at.land.tokyo)
        at.working_again()
        at.verified()
