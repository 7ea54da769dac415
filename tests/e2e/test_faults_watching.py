"""Files tagged outside the watched folders, and large changes: uploads meanwhile, and what is saved meanwhile."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from haechi.domain.errors import HaechiError

from tests.e2e.fault_lab import KIB, TOKYO, Ward, tag, ward
from tests.e2e.in_time import back
from tests.stores import Landscape, MotoStore, started_store

pytestmark = [pytest.mark.e2e, pytest.mark.alone]
MANY = 4_000


@pytest.fixture(scope="module")
def shop() -> Iterator[tuple[MotoStore, Landscape]]:
    with started_store() as made:
        yield made


@pytest.fixture(scope="module")
def at(shop: tuple[MotoStore, Landscape]) -> Iterator[Ward]:
    with ward(*shop) as made:
        yield made


def refused_abroad(at: Ward, content: bytes) -> str:
    """What an upload to Tokyo is answered, where it is not the rule's refusal; nothing of it may be there."""
    key = at.key("tokyo")
    answer = at.put(key, content, bucket=at.land.tokyo, region=TOKYO)
    if answer.status == 200:
        return "it went through"
    return "" if answer.status == 403 and "R1" in answer.body else repr(answer)


def test_a_file_tagged_outside_while_no_agent_runs_is_protected_from_its_start_on(at: Ward, tmp_path: Path) -> None:
    path, content = tmp_path / "o.bin", os.urandom(64 * KIB)
    path.write_bytes(content)
    at.lab.stop()
    done = at.lab.haechi("tag", path, "--technology", "SEM-01", "--grade", "A")
    assert done.status == 0 and "name is kept" in done.said, done.said
    at.restart()
    assert str(path) in at.lab.haechi("tags", tmp_path).said
    assert refused_abroad(at, content) == ""
    assert str(path) in at.lab.haechi("audit", "export", "--format", "jsonl").said


@pytest.mark.parametrize("restarted", [False, True])
def test_what_is_saved_over_a_file_tagged_outside_is_refused(at: Ward, tmp_path: Path, restarted: bool) -> None:
    paths = [tmp_path / "replaced.bin", tmp_path / "rewritten.bin"]
    for path in paths:
        path.write_bytes(os.urandom(64 * KIB))
    tag(at, *paths)
    if restarted:
        at.lab.stop()
        at.restart()
    contents = [os.urandom(64 * KIB) for _ in paths]
    (tmp_path / "beside").write_bytes(contents[0])
    (tmp_path / "beside").rename(paths[0])
    paths[1].write_bytes(contents[1])
    for content in contents:
        back(lambda content=content: refused_abroad(at, content), "to refuse what was saved")


def test_while_a_large_change_is_worked_off_nothing_is_taken_for_harmless(shop, tmp_path: Path) -> None:
    with ward(*shop) as at:
        text = at.lab.settings.read_text()
        at.lab.stop()
        at.lab.settings.write_text(text.replace("[watch]\n", "[watch]\nlate_ms = 100\n"))
        many = at.lab.work / "many"
        many.mkdir()
        contents = [os.urandom(4 * KIB) for _ in range(MANY)]
        for number, content in enumerate(contents):
            (many / f"{number}.gds").write_bytes(content)
        at.restart()
        at.working_again()
        (many / ".haechi.yaml").write_text("tags:\n  - {files: '*', technology: SEM-01, grade: A}\n")
        index = {}
        while index.get("state") != "busy":
            index = at.status()["parts"]["index"]
            assert index["files"] < MANY, "it was worked off unseen: take more files"
        assert not at.status()["ready"] and index["pending"] >= 1
        new = os.urandom(64 * KIB)
        (at.lab.work / "beside").write_bytes(new)
        (at.lab.work / "beside").rename(at.lab.work / "recipe.bin")
        while at.status()["parts"]["index"]["state"] == "busy":
            key = at.key("meanwhile")
            answer = at.raw(key, contents[index["files"] % MANY])
            at.absent(key)
            assert answer.status == 403, answer
            key = at.key("saved")
            assert at.raw(key, new).status == 403
            at.absent(key)
            index["files"] += 97
        at.refused(at.raw(at.key("later"), contents[-1]), rule="r13_layer1")
        at.working_again()
        at.verified()


def test_an_agent_that_scans_stops_at_once_and_another_starts(shop) -> None:
    with ward(*shop) as at:
        at.lab.stop()
        for number in range(MANY):
            (at.lab.work / f"{number}.gds").write_bytes(os.urandom(4 * KIB))
        (at.lab.work / ".haechi.yaml").write_text("tags:\n  - {files: '*', technology: SEM-01, grade: A}\n")
        starting = threading.Thread(target=at.lab.haechi, args=("agent", "start"))
        starting.start()
        back(lambda: "" if scans(at) else "no file yet", "to scan")
        stopped = at.lab.haechi("agent", "stop")
        assert stopped.status == 0, stopped.said
        again = at.lab.haechi("agent", "start")
        assert again.status == 0 and "runs already" not in again.said, again.said
        at.connect()
        assert at.lab.haechi("agent", "stop").status == 0
        starting.join()


def scans(at: Ward) -> bool:
    """Whether the first scan has come to a tagged file."""
    try:
        return bool(at.status()["parts"]["index"]["files"])
    except HaechiError:
        return False
