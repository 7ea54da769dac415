"""The survey of buckets over the control socket: for officers, one at a time, every bucket once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from haechi.app.assessing import Assessment, Circumstances
from haechi.app.surveying import AT_ONCE, SurveyBuckets
from haechi.cli import run
from haechi.commands._frame import console
from haechi.commands.baseline import _show_buckets
from haechi.domain.actor import Actor
from haechi.domain.content import Content, ContentState, MatchHow
from haechi.domain.decision import Decision, Effect, Mode, Modes
from haechi.domain.errors import HaechiError
from haechi.domain.facts import Unknown
from haechi.inbound.control.peer import Role
from haechi.inbound.control.server import ControlServer
from haechi.inbound.control.survey import register_survey
from haechi.ports.buckets import Bucket, Listing
from haechi_connectors.s3.cloud import S3Cloud
from haechi_connectors.s3.connector import S3Connector

from tests.command_line import served, settled_folder, told

SEOUL = "ap-northeast-2"
KIM = Actor("kim")


class Lists:
    """One account by the usual credentials, and one a profile."""

    async def listed(self, further: Sequence[str] = ()) -> tuple[Listing, ...]:
        here = tuple(Bucket(f"box-{number}", SEOUL, f"s3://box-{number}") for number in range(9))
        others = (
            Listing("aws", f"1{name}", (Bucket(f"of-{name}", SEOUL, f"s3://of-{name}"),), access=name)
            for name in further
        )
        return (Listing("aws", "1", here), *others, Listing("aws", "2", cause="other-account"))


class Assessor:
    """Allows what is sealed. Keeps what it was asked, and how many were asked at once."""

    def __init__(self) -> None:
        self.asked: list[tuple[Circumstances, Content]] = []
        self.now = self.most = 0
        self.going = threading.Event()
        self.go = threading.Event()
        self.go.set()

    def worst_case(self) -> Content:
        return Content(ContentState.NOT_INSPECTED)  # nothing is tagged yet

    async def assess(self, about: Circumstances, content: Content) -> Assessment:
        self.asked.append((about, content))
        self.now += 1
        self.most = max(self.most, self.now)
        self.going.set()
        while not self.go.is_set():
            await asyncio.sleep(0.005)
        await asyncio.sleep(0)
        self.now -= 1
        facts: Mapping[str, Any] = {"destination": {"facts": {"versioning": {"unknown": "access-denied"}}}}
        return Assessment(Decision(Effect.ALLOW if content.sealed else Effect.BLOCK), content, facts, "p", "r", Modes())


class Bench:
    def __init__(self, folder: Path) -> None:
        self.folder, self.roles, self.assessor = folder, set(Role), Assessor()
        self.mode = "enforce"
        self.accesses: list[str] = []

    def register(self, server: ControlServer) -> None:
        @asynccontextmanager
        async def assessors(access: str) -> AsyncIterator[Any]:
            self.accesses.append(access)
            yield self.assessor

        engine: Any = SimpleNamespace(revision="p", rules={}, modes=Modes(Mode.MONITOR))
        words: Any = None
        register_survey(
            server,
            SurveyBuckets(
                Lists(), assessors, [S3Connector()], [S3Cloud()], engine, words, lambda: KIM, lambda _: ["1", "2"]
            ),
        )

        async def status(args: dict[str, Any], peer: Any, progress: Any) -> dict[str, Any]:
            return {"ready": True, "parts": {"engine": {"state": "ok", "mode": self.mode}, "index": {"files": 3}}}

        server.register("agent.status", status, Role.ANYONE)


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    with settled_folder() as folder, served(made := Bench(folder), monkeypatch):
        yield made


def test_every_bucket_is_judged_sealed_and_plain_by_the_way_of_its_region(bench, capsys):
    assert run(["baseline", "buckets", "--json"]) == 1  # an account was not listed, a setting not read
    document = told(capsys)
    assert [one["container"] for one in document["listed"]] == [f"box-{number}" for number in range(9)]
    assert {(one["sealed"]["effect"], one["plain"]["effect"]) for one in document["listed"]} == {("allow", "block")}
    assert {tuple(one["unknown"]) for one in document["listed"]} == {("access-denied",)}
    hosts = {about.host for about, _ in bench.assessor.asked}
    assert f"box-3.s3.{SEOUL}.amazonaws.com" in hosts and len(hosts) == 9
    assert bench.assessor.most <= AT_ONCE
    (tag,) = bench.assessor.asked[0][1].tags
    assert tag.technology == "OFFICIAL-PENDING", "before anything is tagged, the worst is assumed"
    assert {match.how for _, content in bench.assessor.asked for match in content.matches} == {
        MatchHow.SEALED,
        MatchHow.WORST_CASE,
    }


def test_each_profile_is_listed_and_read_with_its_own_credentials(bench, capsys):
    assert run(["baseline", "buckets", "--profile", "plant", "--profile", "lab", "--json"]) == 1
    document = told(capsys)
    assert {one["account"]: one["access"] for one in document["listings"]} == {
        "1": None, "1plant": "plant", "1lab": "lab", "2": None,
    }  # fmt: skip
    assert bench.accesses == ["", "plant", "lab"]
    assert {one["container"]: one["access"] for one in document["listed"] if one["access"]} == {
        "of-plant": "plant",
        "of-lab": "lab",
    }
    assert run(["baseline", "buckets", "--profile", "plant"]) == 1
    said = capsys.readouterr().out
    assert "account 1plant: 1 buckets (profile plant)" in said and "usual credentials" in said


@pytest.mark.parametrize("name", ["", "a\nb", "x" * 129])
def test_a_profile_that_is_no_name_is_refused(bench, capsys, name):
    assert run(["baseline", "buckets", "--profile", name, "--json"]) != 0
    assert told(capsys)["error"]["code"] == "control.bad-request" and bench.assessor.asked == []


def test_an_engineer_is_told_nothing(bench, capsys):
    bench.roles = {Role.ENGINEER}
    assert run(["baseline", "buckets", "--json"]) == 1
    assert told(capsys)["error"]["code"] == "control.not-allowed" and bench.assessor.asked == []


def test_a_second_survey_is_told_that_one_is_running(bench, capsys):
    bench.assessor.go.clear()
    statuses: list[int] = []
    first = threading.Thread(target=lambda: statuses.append(run(["baseline", "buckets"])))
    first.start()
    assert bench.assessor.going.wait(10)
    try:
        assert run(["baseline", "buckets"]) == 3
        assert "Another survey" in capsys.readouterr().err
    finally:
        bench.assessor.go.set()
        first.join(20)
    assert statuses == [1]


async def test_who_hangs_up_ends_the_survey() -> None:
    assessor = Assessor()

    @asynccontextmanager
    async def assessors(access: str) -> AsyncIterator[Any]:
        yield assessor

    async def gone(bucket: Mapping[str, Any], done: int, total: int) -> None:
        raise HaechiError("control.connection-lost")

    engine: Any = SimpleNamespace(revision="p", rules={}, modes=Modes())
    nobody = Actor(Unknown("asked-not-uploading"))
    survey = SurveyBuckets(Lists(), assessors, [S3Connector()], [S3Cloud()], engine, None, lambda: nobody, lambda _: [])  # type: ignore[arg-type]
    with pytest.raises(HaechiError, match=r"control\.connection-lost"):
        await survey(gone, "en")
    assert len(assessor.asked) <= 2 * AT_ONCE and not survey._one.locked()


@pytest.mark.parametrize(("mode", "status", "said"), [("monitor", 0, "Monitor mode"), ("enforce", 1, "policy sign")])
def test_check_says_whether_anything_can_be_blocked(bench, capsys, mode, status, said):
    bench.mode = mode
    assert run(["baseline", "check"]) == status
    assert said in capsys.readouterr().out


def test_what_an_agent_of_before_an_update_answers_is_understood(capsys):
    """Its listings name no credentials: only its own were there."""
    listing = {"provider": "aws", "account": "1", "endpoint": "", "buckets": 0, "registered": True, "cause": None}
    _show_buckets(console(), {"listings": [listing], "listed": [], "as_user": "kim"})
    assert "account 1: 0 buckets" in capsys.readouterr().out
