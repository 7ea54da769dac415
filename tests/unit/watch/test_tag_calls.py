"""The calls of the control socket that concern tags: what they do, and for whose files."""

from __future__ import annotations

import asyncio
import base64
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from haechi.app.tagging import Released, Tagging, TagReport
from haechi.domain.errors import HaechiError
from haechi.inbound.control.peer import Peer, Role
from haechi.inbound.watch.calls import O_PATH, TagCalls
from haechi.inbound.watch.rights import Rights
from haechi.ports.tags import Problem

from tests.unit.watch.test_tagging import recorded, spent, tagging, verifier

__all__ = ["recorded", "spent", "tagging", "verifier"]

ENGINEER = 4321


class Calls:
    """The calls as one peer makes them."""

    def __init__(self, tagging: Tagging) -> None:
        self.released: list[Released] = []
        self.tagged: list[TagReport] = []
        self.refused: list[tuple[str, str]] = []
        self.roles = {Role.ENGINEER}

        async def tagged(report: TagReport, peer: Peer) -> None:
            self.tagged.append(report)

        async def refused(path: str, error: HaechiError, peer: Peer) -> None:
            self.refused.append((path, error.code))

        self.problems: list[Problem] = []
        record = self.released.append
        self._calls = TagCalls(
            tagging,
            lambda done, peer: record(done),
            tagged,
            refused,
            lambda peer: self.roles,
            problems=lambda: self.problems,
        )

    def __call__(self, name: str, args: dict, *files: int, uid: int = ENGINEER) -> dict:
        async def progress(said: dict) -> None:
            """Nobody looks."""

        peer = Peer(uid, uid, 1, (), files)
        return asyncio.run(getattr(self._calls, name)(args, peer, progress))

    def index(self, path: Path, *, named: Path | None = None, flags: int = os.O_RDONLY) -> dict:
        """Tag a file, handed over open."""
        descriptor = os.open(path, flags)
        try:
            asked = {"paths": [str(named or path)], "technology": "SEM-01", "grade": "A"}
            return self("index", asked, descriptor)
        finally:
            os.close(descriptor)


@pytest.fixture
def calls(tagging: Tagging) -> Calls:
    return Calls(tagging)


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that every user may enter; the tests' own folders are closed."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_they_tag_list_and_release(calls: Calls, files: Path) -> None:
    (files / "f").write_bytes(b"die layout")
    said = calls.index(files / "f")
    assert said["files"][0]["tags"][0]["technology"] == "SEM-01"
    assert [file.path for report in calls.tagged for file in report.files] == [str(files / "f")]
    calls.roles = {Role.OFFICER}
    assert len(calls("list", {"below": str(files)})["files"]) == 1
    release = base64.b64encode(b"yes " + said["files"][0]["digest"].encode()).decode()
    with (files / "f").open("rb") as opened:
        asked = {"path": str(files / "f"), "release": release, "action": "untag"}
        assert calls("release", asked, opened.fileno())["after"] == []
        assert calls.refused == []
        with pytest.raises(HaechiError, match=r"tag\.not-tagged"):
            calls("release", asked, opened.fileno())
        calls.index(files / "f")
        with pytest.raises(HaechiError, match=r"tag\.release-used"):
            calls("release", asked, opened.fileno())
    assert calls.refused == [(str(files / "f"), "tag.not-tagged"), (str(files / "f"), "tag.release-used")]
    assert len(calls.released) == 1


@pytest.mark.parametrize("bad", [{}, {"paths": ["relative"]}, {"paths": [1]}, {"paths": ["/f"], "technology": 3}])
def test_what_is_no_request_is_refused(calls: Calls, bad: dict) -> None:
    with pytest.raises(HaechiError, match=r"tag\.bad-request"):
        calls("index", bad)


def test_a_path_alone_tags_nothing(calls: Calls, tagging: Tagging, files: Path) -> None:
    """The agent could read the file; whether the caller may is shown by its open descriptor alone."""
    (files / "f").write_bytes(b"die layout")
    with pytest.raises(HaechiError, match=r"tag\.not-handed-over"):
        calls("index", {"paths": [str(files / "f")], "technology": "SEM-01", "grade": "A"})
    assert not tagging.listed(str(files))


@pytest.mark.parametrize("flags", [O_PATH, os.O_WRONLY])
def test_a_descriptor_that_cannot_read_proves_nothing(calls: Calls, tagging: Tagging, files: Path, flags: int) -> None:
    (files / "f").write_bytes(b"die layout")
    with pytest.raises(HaechiError, match=r"tag\.not-handed-over"):
        calls.index(files / "f", flags=flags)
    assert not tagging.listed(str(files))


def test_a_descriptor_of_another_file_is_refused(calls: Calls, tagging: Tagging, files: Path) -> None:
    for name in "fg":
        (files / name).write_bytes(name.encode())
    with pytest.raises(HaechiError, match=r"tag\.other-file"):
        calls.index(files / "f", named=files / "g")
    assert not tagging.listed(str(files))


def test_a_path_that_no_bytes_spell_is_no_file(calls: Calls, files: Path) -> None:
    (files / "f").write_bytes(b"die layout")
    descriptor = os.open(files / "f", os.O_RDONLY)
    with pytest.raises(HaechiError, match=r"tag\.other-file"):
        calls("index", {"paths": ["/f\ud800"], "technology": "SEM-01", "grade": "A"}, descriptor)
    os.close(descriptor)
    assert calls("list", {"below": "/f\ud800"})["files"] == []


def test_a_folder_is_not_tagged_as_a_whole(calls: Calls, files: Path) -> None:
    with pytest.raises(HaechiError, match=r"tag\.not-handed-over"):
        calls.index(files)


def test_a_release_needs_the_file_too(calls: Calls, files: Path) -> None:
    (files / "f").write_bytes(b"die layout")
    calls.index(files / "f")
    with pytest.raises(HaechiError, match=r"tag\.not-handed-over"):
        calls("release", {"path": str(files / "f"), "release": "", "action": "untag"})


def test_an_engineer_is_told_of_readable_files_and_an_officer_of_all(calls: Calls, shared: Path) -> None:
    for name, mode in (("open", 0o644), ("closed", 0o600)):
        (shared / name).write_bytes(name.encode())
        (shared / name).chmod(mode)
        calls.index(shared / name)
    listed = calls("list", {"below": str(shared)})
    assert [Path(file["path"]).name for file in listed["files"]] == ["open"]
    calls.roles = {Role.OFFICER}
    assert len(calls("list", {"below": str(shared)})["files"]) == 2


def test_rights_follow_owner_group_and_the_folders_above(shared: Path) -> None:
    inner = shared / "inner"
    inner.mkdir()
    file = inner / "f"
    file.touch()
    owner, group = os.geteuid(), os.getegid()
    if owner == 0:  # whom nothing is closed to
        owner, group = ENGINEER, 77
        os.chown(file, owner, group)

    def may(uid: int, *groups: int) -> bool:
        return Rights(Peer(uid, uid, 1, groups)).may_read(str(file))

    file.chmod(0o640)
    inner.chmod(0o755)
    assert may(owner) and may(1, group) and not may(1)
    file.chmod(0o604)
    assert not may(1, group), "the group's bits count for its members, not everybody's"
    inner.chmod(0o700)
    assert not may(1) and may(0)
    file.unlink()
    assert not may(0)


def test_what_was_not_understood_is_told_with_the_files(calls: Calls, shared: Path) -> None:
    (shared / ".haechi.yaml").write_text("tags: 3")
    problem = Problem("tag.malformed-at", {"where": str(shared / ".haechi.yaml")})
    calls.problems.append(problem)
    assert [one["code"] for one in calls("list", {"below": str(shared)})["problems"]] == ["tag.malformed-at"]
    assert calls("list", {"below": str(shared / "inner")})["problems"], "rules above speak of what is below"
    assert not calls("list", {"below": "/nowhere"})["problems"]
    (shared / ".haechi.yaml").chmod(0o600)
    assert not calls("list", {"below": str(shared)})["problems"], "it may not be read"
