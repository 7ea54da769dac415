"""``haechi objects`` and ``haechi drift`` over the control socket: who sees what, pages, exit codes, words."""

from __future__ import annotations

import asyncio
import getpass
import io
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import structlog
from haechi.app.drift_told import DriftTold
from haechi.app.drifting import WatchDrift
from haechi.cli import run
from haechi.domain.content import Content, ContentState, Match, MatchHow
from haechi.domain.decision import Cause
from haechi.domain.destination import Destination
from haechi.domain.drift import KINDS
from haechi.domain.facts import Unknown
from haechi.domain.tags import Grade, Tag
from haechi.domain.upload import Location
from haechi.inbound.control.drift import register_drift, register_objects
from haechi.inbound.control.peer import Role
from haechi.inbound.control.server import ControlServer
from haechi.inbound.control.turns import Turns
from haechi.outbound.clock import SystemClock
from haechi.outbound.ledger.drift import SqliteDriftLedger
from haechi.outbound.ledger.objects import SqliteObjectLedger
from haechi.ports.objects import LetThrough
from haechi.words import catalogue

from tests.command_line import served, settled_folder, told
from tests.fakes import CountedMetrics, FixedDestinations
from tests.policy.base import ACTOR, DESTINATION
from tests.unit.drift.test_watching import OPEN, Records

TAG = Tag("SEM-01", Grade.A)
WHY = "the central trail has the access logs"


def holding(name: str, digest: str = "blake3:1") -> Content:
    return Content(ContentState.MATCHED, (Match("c1", name, (TAG,), MatchHow.SEALED, 9, 9, digest),), 9)


class Silent:
    """An engine that does not answer, and the assessor's other needs: what is asked of rules is tested elsewhere."""

    revision, rules, modes = "p", {}, None

    async def evaluate(self, facts: Any) -> Cause:
        return Cause("engine-late")


class Bench:
    def __init__(self, folder: Path, user: str) -> None:
        self.folder, self.roles, self.user = folder, set(Role), user
        self.objects = SqliteObjectLedger(folder / "objects.sqlite", SystemClock())
        self.ledger = SqliteDriftLedger(folder / "drift.sqlite")
        self.destinations = FixedDestinations({"designs": DESTINATION, "other": DESTINATION})
        self.copies: dict[str, list[str]] = {}

    def put(self, container: str, key: str, user: str, content: Content | None = None) -> None:
        """Somebody's upload was let through."""
        place = Location("aws", container, key)
        self.objects.stored(place, content or holding(key), LetThrough(user, "hd-1", facts=DESTINATION))

    def register(self, server: ControlServer) -> None:
        engine: Any = Silent()

        @asynccontextmanager
        async def assessors(access: str) -> AsyncIterator[Any]:
            self.destinations.read.clear()

            async def assess(about: Any, content: Content) -> Any:
                return SimpleNamespace(facts={"destination": {}})

            yield SimpleNamespace(destinations=self.destinations, assess=assess)

        numbers = iter(range(1, 10_000))
        watch = WatchDrift(
            self.objects, self.ledger, assessors, engine, Records(), SystemClock(), lambda: f"hd-{next(numbers):04}",
            CountedMetrics(), lambda: ACTOR,
        )  # fmt: skip
        words: Any = None
        authorise = lambda peer: self.roles  # noqa: E731
        register_objects(server, self.objects, lambda digest, most: self.copies.get(digest, []), authorise, Turns())
        register_drift(server, watch, DriftTold(self.ledger, self.objects, engine, words), authorise, Turns())


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    with settled_folder() as folder, served(made := Bench(folder, getpass.getuser()), monkeypatch):
        yield made
        made.objects.close()
        made.ledger.close()
    structlog.reset_defaults()


def test_without_any_objects_there_is_nothing_and_that_is_the_exit_code(bench, capsys):
    assert run(["objects"]) == 1
    assert "No object" in capsys.readouterr().out
    assert run(["drift"]) == 0
    assert "No finding is open" in capsys.readouterr().out


def test_all_objects_come_however_many_pages_they_take(bench, capsys):
    for number in range(450):
        bench.put("designs", f"k{number:04}", "kim")
    assert run(["objects", "--json"]) == 0
    document = told(capsys)
    assert len(document["objects"]) == 450 and document["more"] is False
    assert run(["objects", "--limit", "10", "--json"]) == 0
    document = told(capsys)
    assert [one["key"] for one in document["objects"]] == [f"k{number:04}" for number in range(10)]
    assert document["more"] is True


def test_a_long_row_does_not_break_the_answer(bench, capsys):
    for number in range(12):
        bench.put("designs", f"{number:02}" + "k" * 900, "kim", holding("f" * 100_000))
    assert run(["objects", "--json"]) == 0
    assert len(told(capsys)["objects"]) == 12


def test_an_engineer_sees_what_nobody_else_wrote(bench, capsys):
    bench.put("designs", "mine", bench.user)
    bench.put("designs", "theirs", "somebody-else")
    bench.put("designs", "both", bench.user)
    bench.put("designs", "both", "somebody-else")
    bench.roles = {Role.ENGINEER}
    assert run(["objects", "--json"]) == 0
    assert [one["key"] for one in told(capsys)["objects"]] == ["mine"]
    bench.roles = set(Role)
    assert run(["objects", "--container", "s3://designs", "--json"]) == 0
    assert {one["key"]: one["user"] for one in told(capsys)["objects"]} == {
        "mine": bench.user, "theirs": "somebody-else", "both": None,
    }  # fmt: skip


def test_content_is_found_by_its_file_and_by_what_was_made_of_it(bench, capsys, tmp_path):
    from haechi.commands._digests import digest_of

    file = tmp_path / "recipe.bin"
    file.write_bytes(b"recipe")
    bench.put("designs", "plain", "kim", holding("recipe.bin", digest_of(str(file))))
    bench.put("designs", "sealed", "kim", holding("recipe.bin.age", "blake3:" + "5e" * 32))
    bench.put("designs", "unlike", "kim", holding("unlike", "blake3:" + "00" * 32))
    bench.copies = {digest_of(str(file)): ["blake3:" + "5e" * 32]}
    for content in (str(file), digest_of(str(file))):
        assert run(["objects", "--content", content, "--json"]) == 0
        assert [one["key"] for one in told(capsys)["objects"]] == ["plain", "sealed"]
    assert run(["objects", "--content", str(tmp_path / "none"), "--json"]) == 1
    assert told(capsys)["error"]["code"] == "registry.no-file"


@pytest.mark.parametrize(
    ("word", "keys"),
    [
        ("azure://fab1/ours", ["a"]),
        ("azure://fab1/ours/some/key", ["a"]),
        ("azure://fab1", ["a", "b"]),
        ("fab1", ["a", "b"]),
        ("https://fab1.blob.core.windows.net/ours", ["a"]),
        ("https://fab1.dfs.core.windows.net/other/", ["b"]),
        ("https://fab1.blob.core.windows.net", ["a", "b"]),
        ("s3://designs", ["s"]),
        ("https://designs.s3.ap-northeast-2.amazonaws.com/key", ["s"]),
        ("https://s3.ap-northeast-2.amazonaws.com/designs/key", ["s"]),
        ("gs://designs/key", ["s"]),
        ("https://storage.googleapis.com/storage/v1/b/designs/o", ["s"]),
        ("https://designs.storage.googleapis.com/", ["s"]),
        ("designs", ["s"]),
    ],
)
def test_a_container_is_understood_however_it_is_written(bench, capsys, word, keys):
    for container, key in (("fab1/ours", "a"), ("fab1/other", "b"), ("fab10/ours", "c"), ("designs", "s")):
        bench.put(container, key, "kim")
    assert run(["objects", "--container", word, "--json"]) == 0
    assert sorted(one["key"] for one in told(capsys)["objects"]) == keys


@pytest.mark.parametrize("word", ["bogus://x", "https://example.com/designs", "s3://", "azure:///x", "gs://"])
def test_what_names_no_container_is_never_read_as_nothing_there(bench, capsys, word):
    assert run(["objects", "--container", word, "--json"]) not in (0, 1) or "error" in told(capsys)
    assert run(["objects", "--container", word]) != 0
    assert "No object" not in capsys.readouterr().out


@pytest.mark.parametrize("word", ["blake3:zz", "blake3:", "blake3:" + "A" * 64])
def test_what_is_no_digest_is_an_error(bench, capsys, word):
    run(["objects", "--content", word, "--json"])
    assert told(capsys)["error"]["code"] == "objects.no-digest"


def test_none_in_a_container_names_it(bench, capsys):
    assert run(["objects", "--container", "s3://empty"]) == 1
    assert "No object in empty" in capsys.readouterr().out


def test_a_finding_that_is_none_is_told_before_the_reason(bench, capsys):
    assert run(["drift", "accept", "hd-nope", "why", "--json"]) == 1
    assert told(capsys)["error"]["code"] == "drift.unknown"


@pytest.mark.parametrize("after", [["aws"], ["aws", "b", 3], "aws", [[], [], []]])
def test_a_page_that_begins_nowhere_is_refused(bench, after):
    from haechi.domain.errors import HaechiError
    from haechi.inbound.control import client

    with pytest.raises(HaechiError, match=r"control\.bad-request"):
        client.call("objects.list", {"after": after}, path=bench.folder / "r/control.sock")


def test_a_finding_names_its_objects_and_is_the_exit_code_until_it_ends(bench, capsys):
    bench.put("designs", "a/recipe.bin.age", "kim")
    assert run(["drift", "--now"]) == 0
    assert "Containers read again: 1" in capsys.readouterr().out
    bench.destinations.change("designs", public=OPEN, logging="off")
    assert run(["drift", "--now", "--json"]) == 1
    document = told(capsys)
    assert {one["kind"] for one in document["findings"]} == {"public", "public-block", "logging"}
    assert document["open"] == {"public": 1, "public-block": 1, "logging": 1}
    assert document["looked"]["containers"] == 1 and document["looked"]["failed"] == 0
    assert run(["drift"]) == 1
    said = capsys.readouterr().out
    assert "aws · designs: it turned public" in said and "closed → everybody can read" in said
    assert "Tagged objects in it: 1" in said and "a/recipe.bin.age" in said
    (logging,) = (one["id"] for one in document["findings"] if one["kind"] == "logging")
    assert run(["drift", "accept", logging, WHY]) == 0
    assert "✓ Accepted" in capsys.readouterr().out
    assert run(["drift", "accept", logging, WHY, "--json"]) == 1
    assert told(capsys)["error"]["code"] == "drift.ended"
    bench.destinations.change("designs", public=DESTINATION.public)
    assert run(["drift", "--now"]) == 0
    capsys.readouterr()
    assert run(["drift", "--all"]) == 0
    said = capsys.readouterr().out
    assert "[mended]" in said and "[accepted]" in said and WHY in said


def test_an_engineer_is_told_of_own_objects_and_may_not_look_or_accept(bench, capsys):
    bench.put("designs", "mine", bench.user)
    bench.put("designs", "theirs", "somebody-else")
    bench.put("other", "theirs", "somebody-else")
    for name in ("designs", "other"):
        bench.destinations.change(name, public=OPEN)
    run(["drift", "--now", "--json"])
    findings = told(capsys)["findings"]
    assert {one["container"] for one in findings} == {"designs", "other"}
    bench.roles = {Role.ENGINEER}
    assert run(["drift", "--json"]) == 1
    document = told(capsys)
    assert {one["container"] for one in document["findings"]} == {"designs"}
    assert {key["key"] for one in document["findings"] for key in one["objects"]} == {"mine"}
    assert {one["objects_total"] for one in document["findings"]} == {None} and document["open"] is None
    assert run(["drift", "--now", "--json"]) == 1
    assert told(capsys)["error"]["code"] == "control.not-allowed"
    assert run(["drift", "accept", findings[0]["id"], WHY, "--json"]) == 1
    assert told(capsys)["error"]["code"] == "control.not-allowed"


def test_a_container_that_cannot_be_read_is_not_fine(bench, capsys):
    bench.put("designs", "a", "kim")
    bench.destinations.known["designs"] = Destination.unread("aws", "designs", Unknown("timeout"))
    assert run(["drift", "--now"]) == 3
    assert "could not be read" in capsys.readouterr().out


def test_many_findings_come_in_pages(bench, capsys):
    for number in range(45):
        name = f"box-{number:02}"
        bench.destinations.known[name] = DESTINATION
        bench.put(name, "a", "kim")
        bench.destinations.change(name, logging="off")
    assert run(["drift", "--now", "--json"]) == 1
    assert len(told(capsys)["findings"]) == 45


def test_every_kind_has_its_words() -> None:
    assert [kind for kind in KINDS if f"drift.kind-{kind}" not in catalogue()] == []


async def test_findings_by_kind_are_a_metric(tmp_path: Path) -> None:
    from haechi.outbound.telemetry.prometheus import PrometheusMetrics
    from prometheus_client import generate_latest

    metrics = PrometheusMetrics()
    metrics.gauges("haechi_drift_open", lambda: {"public": 2.0})
    assert b'haechi_drift_open{kind="public"} 2.0' in await asyncio.to_thread(generate_latest, metrics.registry)
    with pytest.raises(KeyError):
        metrics.gauges("haechi_policy_sequence", lambda: {})


LOST_LEAVES = ("region.region", "key.region", "key.account", "logging.logging")
LOST = {
    "provider": "azure", "container": "fab1/ours", "kind": "unreadable", "grave": True, "id": "hd-2",
    "raised": "2026-11-02T03:00:00+00:00", "state": "open", "reason": "", "by": "", "objects": [], "more": False,
    "objects_total": 1,
    "was": dict(zip(LOST_LEAVES, ("koreacentral", "koreacentral", "t/s", "x"), strict=True)),
    "now": {leaf: {"unknown": "not-read"} for leaf in LOST_LEAVES},
    "rules": [{"rule": "r10_region", "title": "In Korea", "remedy": "Go there."}, {"rule": "r14", "title": "Layer 2"}],
}  # fmt: skip
OWNER = {**LOST, "kind": "owner", "id": "hd-3", "was": {"account": "t/s"}, "now": {"account": {"unknown": "not-ours"}}}
KEY = {
    **LOST,
    "kind": "key",
    "id": "hd-1",
    "was": {"region": "koreacentral", "id": "k"},
    "now": {"region": "x", "id": "l"},
}


@pytest.fixture
def shown(monkeypatch):
    from haechi.commands.drift import _show
    from rich.console import Console

    def show(*findings):
        console = Console(width=200, record=True, file=io.StringIO())
        _show(console, {"findings": list(findings), "looked": None, "age_seconds": 3, "unread": 0})
        return console.export_text()

    monkeypatch.setenv("HAECHI_LANG", "en")
    return show


def test_the_gravest_comes_first_and_what_went_out_of_sight_is_one_line(shown):
    said = shown(LOST, KEY, OWNER)
    assert said.index("another owner") < said.index("lost its key") < said.index("read no more")
    lost = said[said.index("read no more") :]
    assert "region, the key's region, the key's account, access logging → unknown (it was not read)" in lost
    assert "assume the worst while it is unknown: In Korea, Layer 2" in lost and "Go there." not in lost


def test_a_rule_that_speaks_twice_is_told_once(shown):
    twice = [{"rule": "r14", "title": "Layer 2", "remedy": "Do so."}] * 2 + [
        {"rule": "r14", "title": "Layer 2", "remedy": "Or so."}
    ]
    said = shown({**KEY, "rules": twice})
    assert (said.count("Layer 2"), said.count("Do so."), said.count("Or so.")) == (1, 1, 1)


def test_a_key_s_region_and_account_are_told_as_the_key_s(shown):
    said = shown({**KEY, "now": {"region": "x", "account": "y"}, "was": {"region": "koreacentral", "account": "t/s"}})
    assert "the key's region: koreacentral → x" in said and "the key's account: t/s → y" in said
    assert "owning account" not in said
