"""An index that is damaged or locked: what is known stays refused, what could not be read is not harmless."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.fault_lab import KIB, Answer, Ward, tag, ward
from tests.e2e.in_time import in_time
from tests.stores import Landscape, MotoStore, started_store

pytestmark = [pytest.mark.e2e, pytest.mark.alone]


@pytest.fixture(scope="module")
def shop() -> Iterator[tuple[MotoStore, Landscape]]:
    with started_store() as made:
        yield made


@pytest.fixture(scope="module")
def at(shop: tuple[MotoStore, Landscape]) -> Iterator[Ward]:
    with ward(*shop) as made:
        yield made
        made.verified()


def database(at: Ward) -> Path:
    return at.lab.folder / "state" / "index.sqlite"


@contextmanager
def locked(at: Ward) -> Iterator[None]:
    """Another process's exclusive transaction (a connection of our own is one as good)."""
    other = sqlite3.connect(database(at), isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


def scribble(at: Ward) -> None:
    """Overwrite the file and its log with noise, under the agent's hands or while it is away."""
    for ending in ("", "-wal"):
        file = database(at).with_name(f"index.sqlite{ending}")
        if file.exists():
            with file.open("r+b") as target:
                target.write(os.urandom(file.stat().st_size))


def aside(at: Ward) -> set[Path]:
    """Damaged files that were set aside."""
    return set(database(at).parent.glob("index.sqlite.damaged-*"))


def save(at: Ward, name: str) -> bytes:
    """Save new content under a tagged name, as an editor does."""
    content = os.urandom(64 * KIB)
    beside = at.lab.work / f".{name}.new"
    beside.write_bytes(content)
    os.replace(beside, at.lab.work / name)
    return content


def never_allowed(at: Ward, content: bytes, seconds: float) -> list[Answer]:
    """Try to upload for some seconds; all refused, nothing stored."""
    keys, answers, ends = [], [], time.monotonic() + seconds
    while time.monotonic() < ends:
        keys.append(at.key("unknown"))
        answers.append(at.raw(keys[-1], content))
        assert answers[-1].status == 403, (len(answers), answers[-1])
        at.record(answers[-1])
        time.sleep(0.1)
    at.absent(*keys)
    return answers


def test_a_locked_index_refuses_what_was_saved_meanwhile_and_goes_on(at: Ward) -> None:
    file = at.lab.work / "locked.bin"
    file.write_bytes(os.urandom(64 * KIB))
    tag(at, file)
    with locked(at):
        refused = at.key("known")
        at.refused(at.raw(refused, at.tagged), rule="r13_layer1")
        content = save(at, "locked.bin")
        said = at.lab.haechi("tag", file, "--technology", "SEM-01", "--grade", "A")
        assert said.status == 1
        assert "Another process holds the index" in said.err
        answers = never_allowed(at, content, 1.5)
        assert "The index of protected files is not complete" in answers[-1].body
        assert "haechi status" in answers[-1].body
        freed = time.monotonic()
    at.working_again(since=freed)
    key = at.key("known-again")
    at.refused(at.raw(key, content), rule="r13_layer1")
    at.absent(refused, key)


def test_what_a_damaged_index_alone_knew_comes_back_from_the_audit(at: Ward) -> None:
    """Tagged by hand, saved anew by an editor that drops the attribute: nothing but the index and the audit knew it."""
    file = at.lab.work / "by-hand.bin"
    file.write_bytes(os.urandom(64 * KIB))
    tag(at, file)
    content = save(at, "by-hand.bin")
    assert not os.listxattr(file)
    key = at.key("before")
    at.refused(at.raw(key, content), rule="r13_layer1")
    scribble(at)
    struck = time.monotonic()
    looks = at.lab.work / "looks.bin"
    looks.write_bytes(os.urandom(64 * KIB))
    while not aside(at):
        at.lab.haechi("tag", looks, "--technology", "SEM-01", "--grade", "A")  # something has to look
        assert time.monotonic() - struck < 5
    assert not os.listxattr(file)
    at.working_again(since=struck)
    again = at.key("after")
    at.refused(at.raw(again, content), rule="r13_layer1")
    at.absent(key, again)


def test_an_index_that_is_damaged_while_the_agent_runs_is_made_anew(at: Ward) -> None:
    earlier, file = aside(at), at.lab.work / "damaged.bin"
    file.write_bytes(os.urandom(64 * KIB))
    tag(at, file)
    scribble(at)
    struck = time.monotonic()
    key = at.key("known")
    answer = at.raw(key, at.tagged)
    assert answer.status == 403, answer
    content = os.urandom(64 * KIB)
    file.write_bytes(content)  # the attribute stays: what only the damaged index knew of a name may be lost
    time.sleep(0.5)  # a save becomes known within this time; see test_faults_files
    never_allowed(at, content, 1.0)
    at.working_again(since=struck)
    second = at.key("known-again")
    at.refused(at.raw(second, content), rule="r13_layer1")
    at.absent(key, second)
    assert aside(at) - earlier, "the damaged one is kept"
    fresh = at.lab.work / "fresh.bin"
    fresh.write_bytes(os.urandom(64 * KIB))
    tag(at, fresh)


def test_an_index_that_was_damaged_while_the_agent_was_away_is_made_anew(at: Ward) -> None:
    at.lab.stop()
    earlier = aside(at)
    scribble(at)
    in_time(at.restart(), "to start")
    at.working_again()
    assert aside(at) - earlier
    assert "the index was damaged and is made anew" in at.lab.log.read_text()


def test_an_index_that_is_locked_when_the_agent_starts_is_said_in_words(at: Ward) -> None:
    at.lab.stop()
    with locked(at), pytest.raises(RuntimeError, match="Another process holds the index"):
        at.lab.start()
    in_time(at.restart(), "to start")
    at.working_again()
