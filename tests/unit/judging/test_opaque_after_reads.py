"""What nobody can look into goes by what its sender read before."""

from __future__ import annotations

from typing import Any

import pytest
from haechi.domain.facts import Unknown

from tests.unit.judging.conftest import Case, noise

AGE = b"age-encryption.org/v1\n-> X25519 " + b"a" * 43 + b"\n" + noise(5, 4000)


def rules(case: Case) -> list[list[str]]:
    return [[finding["rule"] for finding in record["decision"]["findings"]] for record in case.records()]


async def test_without_a_read_it_goes_and_is_recorded(case: Case) -> None:
    case.tag("layout.gds", noise(1, 100_000))
    assert await case.allowed("PUT", "/ours-seoul/a", AGE)
    (record,) = case.records()
    assert [finding["rule"] for finding in record["decision"]["findings"]] == ["opaque"]
    assert record["input"]["reads"]["user"] is False


@pytest.mark.parametrize("who", ["process", "user"])
async def test_after_a_read_it_is_refused(case: Case, who: str) -> None:
    case.tag("layout.gds", noise(1, 100_000))
    setattr(case.reads, who, True)
    assert not await case.allowed("PUT", "/ours-seoul/a", AGE)
    assert rules(case) == [["opaque_after_read"]]


@pytest.mark.parametrize("who", ["process", "user"])
async def test_reads_that_nobody_saw_count_as_read(case: Case, who: str) -> None:
    case.tag("layout.gds", noise(1, 100_000))
    setattr(case.reads, who, Unknown("reads-interrupted"))
    assert not await case.allowed("PUT", "/ours-seoul/a", AGE)
    assert rules(case) == [["opaque_reads_unknown"]]


async def test_where_nothing_is_tagged_nobody_needs_to_have_watched(case: Case) -> None:
    case.reads.user = case.reads.process = Unknown("reads-not-watched")
    assert await case.allowed("PUT", "/ours-seoul/a", AGE)


async def test_what_was_read_into_asks_nobody(case: Case) -> None:
    case.tag("layout.gds", noise(1, 100_000))
    case.reads.user = True
    assert await case.allowed("PUT", "/ours-seoul/a", noise(7, 4000))
    assert case.reads.asked == 0


async def test_a_verdict_from_before_a_read_is_not_used_after_it(case: Case) -> None:
    case.tag("layout.gds", noise(1, 100_000))
    assert await case.allowed("PUT", "/ours-seoul/a", AGE)
    case.reads.user = True
    assert not await case.allowed("PUT", "/ours-seoul/a", AGE)
    case.reads.user = False
    assert await case.allowed("PUT", "/ours-seoul/a", AGE)


async def test_the_refusal_says_why_and_what_to_do(case: Case) -> None:
    case.tag("layout.gds", noise(1, 100_000))
    case.reads.user = Unknown("reads-interrupted")
    said: Any = await case.ask("PUT", "/ours-seoul/a", AGE)
    text = bytes(said.refusal.body).decode() if hasattr(said, "refusal") else str(said)
    assert "the agent was away for a while" in text
    assert "haechi seal" in text
