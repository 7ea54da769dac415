"""A container in Korea reached through an endpoint elsewhere: the bytes leave before the store sends them on."""

from __future__ import annotations

import pytest
from haechi.domain.upload import Request
from haechi.ports.judge import Connection, Hold, Inspect

from tests.unit.judging.conftest import HOST, Case, noise

SEALED = noise(2, 200_000)
ABROAD = ("s3.us-east-1.amazonaws.com", "s3-external-1.amazonaws.com", "s3.amazonaws.com")


@pytest.mark.parametrize("host", ABROAD)
async def test_sealed_content_stays_out_of_an_endpoint_abroad(case: Case, host: str) -> None:
    case.tag("recipe", noise(1, 200_000))
    case.seal(SEALED)
    assert await case.allowed("PUT", "/ours-seoul/a.age", SEALED)
    assert not await case.allowed("PUT", "/ours-seoul/b.age", SEALED, host=host)
    last = case.records()[-1]
    assert [(f["rule"], f["params"]["reason"]) for f in last["decision"]["findings"]] == [("r32_route", "endpoint")]


@pytest.mark.parametrize(("host", "hold"), [(HOST, Hold.PIECES), *((host, Hold.WHOLE) for host in ABROAD)])
async def test_a_body_toward_an_endpoint_abroad_is_held_whole(case: Case, host: str, hold: Hold) -> None:
    case.tag("recipe", noise(1, 200_000))
    said = (*case.headers, ("content-length", "100000"))
    judging = case.judge.open(Connection("127.0.0.1", 1), Request("PUT", "https", host, "/ours-seoul/x", said))
    assert await judging.head() == Inspect(hold)
