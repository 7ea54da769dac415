"""Tag files and attributes that were made to stop whoever reads them."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from haechi.outbound.tags import AttributeTags, FolderTags, load_catalogue
from haechi.outbound.tags.catalogue import shipped

DEEP = b"[" * 20_000


@pytest.fixture(autouse=True)
def not_for_ever() -> Iterator[None]:
    signal.alarm(20)
    yield
    signal.alarm(0)


def folder_tags(tmp_path: Path) -> tuple[tuple[str, ...], list[str]]:
    reading = FolderTags(load_catalogue(shipped())).read(str(tmp_path / "file"))
    return tuple(tag.technology for tag in reading.tags), [problem.code for problem in reading.problems]


def test_a_pipe_that_is_named_like_a_tag_file_stops_nobody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".haechi.yaml")
    assert folder_tags(tmp_path) == (("OFFICIAL-PENDING",), ["tag.folder-unreadable"])


@pytest.mark.parametrize(
    "text",
    [
        DEEP,
        b"tags: " + DEEP,
        b"tags: [!!timestamp x, !!binary '\xff', !!python/object:os.system x]",
        b"tags:\n- {files: '*', technology: SEM-01, grade: A}\n" + b"#" * (1 << 20) + b"\n- ",
        b"\xff\xfe\x00",
    ],
)
def test_a_tag_file_that_cannot_be_understood_covers_all_below_it(tmp_path: Path, text: bytes) -> None:
    (tmp_path / ".haechi.yaml").write_bytes(text)
    assert folder_tags(tmp_path) == (("OFFICIAL-PENDING",), ["tag.malformed-at"])


def test_a_link_that_leads_to_itself_is_reported(tmp_path: Path) -> None:
    (tmp_path / ".haechi.yaml").symlink_to(tmp_path / ".haechi.yaml")
    assert folder_tags(tmp_path) == (("OFFICIAL-PENDING",), ["tag.folder-unreadable"])


def test_a_deeply_nested_attribute_waits_for_determination(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x")
    os.setxattr(file, "user.haechi.tag", b"[" * 3000)
    reading = AttributeTags(load_catalogue(shipped())).read(str(file))
    assert [tag.technology for tag in reading.tags] == ["OFFICIAL-PENDING"]
