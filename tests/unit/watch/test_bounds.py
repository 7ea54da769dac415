"""What anybody may write as a tag is bounded: its words, its aliases, and with them the memory that it takes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from haechi.app.tagging import Tagging
from haechi.domain.errors import HaechiError
from haechi.domain.tags import LONGEST_WORD as LONGEST
from haechi.domain.tags import TagOrigin
from haechi.inbound.control.calls import tag_from
from haechi.outbound.tags import FileTagSources, load_catalogue
from haechi.outbound.tags.catalogue import shipped
from haechi.outbound.tags.entry import read_entry

from tests.unit.watch.test_tagging import recorded, spent, tagging, verifier

__all__ = ["recorded", "spent", "tagging", "verifier"]

LEVELS = 7
BOMB = (
    "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
    + "".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, LEVELS))
    + f"tags:\n  - files: '*'\n    technology: SEM-01\n    grade: A\n    owner: *a{LEVELS - 1}\n"
)
READ = """
import resource, sys
from haechi.outbound.tags import FolderTags, load_catalogue
from haechi.outbound.tags.catalogue import shipped
tags = FolderTags(load_catalogue(shipped()))
tags.read("/nowhere/f")
room = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize() + (64 << 20)
resource.setrlimit(resource.RLIMIT_AS, (room, room))
reading = tags.read(sys.argv[1])
print([tag.technology for tag in reading.tags], [problem.code for problem in reading.problems])
"""


def test_aliases_that_unfold_take_no_memory_and_cover_the_folder(tmp_path: Path) -> None:
    (tmp_path / ".haechi.yaml").write_text(BOMB)
    done = subprocess.run(
        [sys.executable, "-c", READ, tmp_path / "f"], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.returncode) == ("['OFFICIAL-PENDING'] ['tag.malformed-at']\n", 0), done.stderr[-300:]


@pytest.mark.parametrize("text", ["tags: &a [*a]", "a: &x A\ntags: [{files: '*', technology: SEM-01, grade: *x}]"])
def test_no_alias_is_understood(sources: FileTagSources, files: Path, text: str) -> None:
    (files / ".haechi.yaml").write_text(text)
    (files / "f").touch()
    reading = sources.read(str(files / "f"))
    assert [problem.code for problem in reading.problems] == ["tag.malformed-at"] and reading.tags


@pytest.mark.parametrize("word", ["x" * (LONGEST + 1), ["a"], {"a": 1}, 5, "two\nlines", "\x1b]0;x\x07", "\ud800"])
@pytest.mark.parametrize("key", ["technology", "grade", "funding", "owner"])
def test_words_that_are_no_words_tighten_and_are_reported(key: str, word: object) -> None:
    entry = {"technology": "SEM-01", "grade": "C", "funding": "private", "owner": "team", key: word}
    tag, problems = read_entry(entry, load_catalogue(shipped()), TagOrigin.FOLDER, "/f")
    assert problems
    assert len(json.dumps([dict(problem.params) for problem in problems])) < 4 * LONGEST
    assert all(value.isprintable() for problem in problems for value in problem.params.values())
    expected = {"technology": "OFFICIAL-PENDING", "grade": "A", "funding": "unknown", "owner": ""}[key]
    assert getattr(tag, key) == expected


def test_a_word_of_the_greatest_length_is_taken() -> None:
    entry = {"technology": "SEM-01", "grade": "C", "owner": "가" * LONGEST}
    tag, problems = read_entry(entry, load_catalogue(shipped()), TagOrigin.FOLDER, "/f")
    assert (tag.owner, problems) == ("가" * LONGEST, ())


def test_a_command_takes_no_such_owner(tagging: Tagging, files: Path) -> None:
    (files / "f").write_bytes(b"die layout")
    for owner in ("x" * (LONGEST + 1), "two\nlines"):
        with pytest.raises(HaechiError, match=r"tag\.bad-owner"):
            tagging.tag([str(files / "f")], "SEM-01", "A", owner=owner)
    with pytest.raises(HaechiError, match=r"tag\.bad-request"):
        tagging.tag([str(files / "f")], "NOPE\n" * 1000, "A")


@pytest.mark.parametrize(
    "form",
    [
        {"technology": "NOPE\n" * 1000, "grade": "A"},
        {"technology": "x" * (LONGEST + 1), "grade": "A"},
        {"technology": ["SEM-01"], "grade": "A"},
        {"technology": "SEM-01", "grade": "A", "owner": ["x"] * 10},
        {"technology": "SEM-01", "grade": "A", "owner": "x" * (LONGEST + 1)},
        {"technology": "SEM-01", "grade": ["A"]},
        {"technology": "SEM-01", "grade": "A", "marked_at": 5},
    ],
)
def test_a_call_takes_no_such_tag(form: dict[str, object]) -> None:
    with pytest.raises(HaechiError, match=r"control\.bad-request"):
        tag_from(form)


def test_a_call_takes_an_ordinary_tag() -> None:
    tag = tag_from({"technology": "SEM-01", "grade": "A", "owner": "공정팀", "origin": "command"})
    assert tag_from(tag.as_json()) == tag
