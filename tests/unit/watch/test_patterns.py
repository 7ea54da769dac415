"""Patterns of names: as git means them, in bounded time whoever wrote them, and never silently without effect."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
from pathlib import Path

import pytest
from haechi.domain.tags import Grade
from haechi.outbound.tags import FileTagSources, FolderTags, load_catalogue
from haechi.outbound.tags.catalogue import shipped
from haechi.outbound.tags.folder import MOST_PATTERNS
from haechi.outbound.tags.patterns import LONGEST, Patterns
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

HOSTILE = ["*a" * 12 + "*b", "**/" * 40 + "*a" * 100 + "b", "?*" * 200 + "b", "[ab]*" * 100 + "c", "*a/" * 60 + "b"]
SEGMENTS = st.lists(st.sampled_from(["a", "b", ".", "*", "?", "[ab]", "가", "\\*"]), min_size=1, max_size=4).map(
    "".join
)
PATTERNS = st.builds(
    lambda start, segments, end: start + "/".join(segments) + end,
    st.sampled_from(["", "/", "**/"]),
    st.lists(st.one_of(SEGMENTS, st.just("**")), min_size=1, max_size=3),
    st.sampled_from(["", "", "/", "/**"]),
)
NAMES = st.lists(st.sampled_from(["a", "b", "ab", ".a", "가", "aab", "*", "b.b"]), min_size=1, max_size=4).map("/".join)


def hostile(folder: str) -> None:
    """In a process of its own: a matcher that hangs holds the whole interpreter."""
    tags = FolderTags(load_catalogue(shipped()))
    for name in ("a" * 200, "ab" * 100, "a/" * 100 + "a"):
        tags.read(f"{folder}/{name}")


@pytest.mark.parametrize("pattern", HOSTILE)
def test_no_pattern_holds_up_the_agent(tmp_path: Path, pattern: str) -> None:
    (tmp_path / ".haechi.yaml").write_text(f"tags:\n  - {{files: '{pattern}', technology: SEM-01, grade: A}}\n")
    process = multiprocessing.get_context("spawn").Process(target=hostile, args=(str(tmp_path),))
    process.start()
    process.join(30)
    hangs = process.is_alive()
    process.kill()
    process.join()
    assert not hangs
    assert process.exitcode == 0


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("repository")
    subprocess.run(["git", "init", "-q", folder], check=True)
    return folder


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(PATTERNS, st.lists(NAMES, min_size=1, max_size=20, unique=True))
def test_patterns_mean_what_they_mean_to_git(repository: Path, pattern: str, names: list[str]) -> None:
    if "?" in pattern:  # a byte, to git; a character here
        names = [name for name in names if name.isascii()]
    (repository / ".gitignore").write_text(f"{pattern}\n", encoding="utf-8")
    asked = subprocess.run(
        ["git", "-C", repository, "check-ignore", "--no-index", "-z", "--stdin"],
        input="\0".join(names).encode(),
        capture_output=True,
        check=False,
    )
    patterns = Patterns([pattern])
    ours, of_git = {name for name in names if patterns.match(name)}, set(asked.stdout.decode().split("\0")) - {""}
    assert of_git <= ours
    if not pattern.endswith("**/"):  # means folders only, to git; here their files too
        assert ours == of_git


def test_every_byte_of_a_name_is_matched() -> None:
    strange = os.fsdecode("공정".encode("cp949"))
    assert Patterns(["*.gds"]).match(f"{strange}/{strange}.gds")
    assert Patterns(["*.gds"]).match("two\nlines/x.gds") and Patterns(["*.gds"]).match("x\ny.gds")
    assert Patterns([f"{strange}.*"]).match(f"{strange}.gds")
    assert not Patterns([f"{strange}.*"]).match(f"{strange[:-1]}.gds")


@pytest.mark.parametrize("bad", ["!a", "#a", "   ", "[z-a]", "[[:alpha:]]x", "a" * (LONGEST + 1), "/"])
def test_what_is_no_pattern_covers_the_folder_and_is_reported(sources: FileTagSources, files: Path, bad: str) -> None:
    (files / ".haechi.yaml").write_text(f"tags:\n  - {{files: ['{bad}'], technology: SEM-01, grade: A}}\n")
    (files / "f").touch()
    reading = sources.read(str(files / "f"))
    assert [tag.technology for tag in reading.tags] == ["SEM-01"]
    assert [problem.code for problem in reading.problems] == ["tag.malformed-at"]


def test_more_patterns_than_may_be_cover_the_folder(sources: FileTagSources, files: Path) -> None:
    (files / "f").touch()
    for count, expected in ((MOST_PATTERNS, ()), (MOST_PATTERNS + 1, (Grade.A,))):
        listed = ", ".join(f"n{number}" for number in range(count))
        (files / ".haechi.yaml").write_text(f"tags:\n  - {{files: [{listed}], technology: SEM-01, grade: C}}\n")
        sources.refresh()
        reading = sources.read(str(files / "f"))
        assert tuple(tag.grade for tag in reading.tags) == expected
        assert bool(reading.problems) is bool(expected)
