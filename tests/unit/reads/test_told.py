"""Who is told of which file was opened, and what the status page says of the watch."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from haechi.app.explaining import ExplainDecision
from haechi.commands.explain import _read
from haechi.commands.status import PARTS

LATEST = {
    "file": "/home/lee/lot.csv",
    "at": "2026-03-02T01:22:00Z",
    "uids": [1002],
    "pid": 42,
    "executable": "/usr/bin/gpg",
}
RECORD = {
    "actor": {"uid": 1001},
    "decision": {"effect": "block"},
    "input": {"reads": {"process": True, "user": False, "latest": LATEST}},
}


class Records:
    def __init__(self, record: Mapping[str, Any]) -> None:
        self.record = record

    async def find(self, decision_id: str) -> Mapping[str, Any] | None:
        return self.record

    def waits(self, decision_id: str) -> bool:
        return False


async def latest(only_uid: int | None, record: Mapping[str, Any] = RECORD) -> Any:
    engine: Any = SimpleNamespace(revision="r", rules={})
    explain = ExplainDecision(Records(record), engine, lambda *_: None, lambda rule: "")  # type: ignore[arg-type, return-value]
    said = await explain("hd-1", only_uid, "en")
    return said["record"]["input"]["reads"]["latest"]


async def test_officers_are_told_of_every_file() -> None:
    assert await latest(None) == LATEST


async def test_people_are_told_of_files_that_they_opened() -> None:
    own = {**LATEST, "uids": [1001]}
    record = {**RECORD, "input": {"reads": {"latest": own}}}
    assert await latest(1001, record) == own


async def test_what_another_user_opened_is_told_without_its_name() -> None:
    told = await latest(1001)
    assert "lot.csv" not in repr(told)
    assert "gpg" not in repr(told)
    assert told["at"] == LATEST["at"]
    assert "another user opened it" in _read({"latest": told})


def test_a_read_is_told_by_file_time_and_program() -> None:
    told = _read({"latest": LATEST})
    assert told.startswith("/home/lee/lot.csv · 2026-03-02 ")
    assert told.endswith("/usr/bin/gpg (42)")
    assert _read(None) == _read({"latest": None}) == ""


@pytest.mark.parametrize("sees", ["processes", "user", "nothing"])
def test_the_status_page_says_what_is_seen_and_what_was_not(sees: str) -> None:
    gap = {"from": "2026-03-02T01:20:00+00:00", "to": "2026-03-02T01:20:05+00:00", "cause": "reads-interrupted"}
    part = {"sees": sees, "since": "2026-03-02T01:20:05+00:00", "files": 3, "unwatched": 1, "gaps": [gap]}
    told = " · ".join(filter(None, PARTS["reads"](part)))
    assert "last not seen" in told
    assert "the agent was away for a while" in told
    assert "1 tagged files cannot be watched" in told
    assert ("3 files watched" in told) is (sees != "nothing")
