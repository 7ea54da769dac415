"""Where tags are written, what a person is told, and what loosening needs."""

import datetime as dt
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from haechi.app.everywhere import Everywhere
from haechi.app.indexing import Indexing
from haechi.app.recording import release_event
from haechi.app.spent_releases import SpentReleases
from haechi.app.tagging import Released, Tagging
from haechi.domain.errors import HaechiError
from haechi.domain.tags import Funding, Grade, Tag, TagOrigin
from haechi.outbound.index import FileReader, SqliteContentIndex
from haechi.outbound.ledger.releases import SqliteReleaseLedger
from haechi.outbound.tags import ATTRIBUTE, AttributeTags, FileTagSources, PolicyTags, load_catalogue
from haechi.outbound.tags.catalogue import shipped
from haechi.ports.releases import Release, ReleaseAction

NOW = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
CATALOGUE = load_catalogue(shipped())


class Verifier:
    """Accepts the release ``yes <digest>``, for the technology and grade given."""

    def __init__(self) -> None:
        self.technology: str | None = None
        self.grade: Grade | None = None
        self.id = "blake3:07"

    def verify(self, release: bytes, *, content_digest: str, action: str) -> Release:
        if release != b"yes " + content_digest.encode():
            raise HaechiError("release.bad-signature")
        return Release("R-7", "CSO", ReleaseAction(action), NOW, "k1", self.technology, self.grade, id=self.id)


@pytest.fixture
def verifier() -> Verifier:
    return Verifier()


@pytest.fixture
def recorded() -> list[Mapping[str, Any]]:
    """What the audit has of releases."""
    return []


@pytest.fixture
def spent(recorded: list[Mapping[str, Any]], tmp_path: Path) -> SpentReleases:
    return SpentReleases(SqliteReleaseLedger(tmp_path / "releases.sqlite"), lambda: recorded)


@pytest.fixture
def tagging(
    index: SqliteContentIndex, indexing: Indexing, verifier: Verifier, spent: SpentReleases, tmp_path: Path
) -> Tagging:
    reader = FileReader(index.seed)
    (tmp_path / "lib").mkdir(exist_ok=True)
    everywhere = Everywhere(lambda path: reader.read(path)[1].digest, [str(tmp_path / "lib")])
    return Tagging(index, indexing, CATALOGUE, verifier, spent, everywhere, lambda: NOW)


def test_a_tag_holds_when_the_call_returns(tagging: Tagging, index: SqliteContentIndex, files: Path) -> None:
    (files / "f").write_bytes(b"die layout")
    report = tagging.tag([str(files / "f")], "sem-01", "A", "government", "design")
    assert report.files[0].tags == (Tag("SEM-01", Grade.A, Funding.GOVERNMENT, "design", NOW, TagOrigin.COMMAND),)
    scan = index.scan()
    scan.feed(b"die layout")
    assert scan.finish().tags == report.files[0].tags


def test_an_unknown_technology_is_refused_with_what_is_near(tagging: Tagging, files: Path) -> None:
    (files / "f").write_bytes(b"x")
    with pytest.raises(HaechiError) as raised:
        tagging.tag([str(files / "f")], "SEM-1", "A")
    assert raised.value.code == "tag.unknown-technology"
    assert "SEM-01" in str(raised.value.params["near"])
    assert tagging.listed(str(files)) == []


@pytest.mark.parametrize(("grade", "funding", "code"), [("Z", "private", "grade"), ("A", "mine", "funding")])
def test_an_unknown_grade_or_funding_is_refused(
    tagging: Tagging, files: Path, grade: str, funding: str, code: str
) -> None:
    (files / "f").write_bytes(b"x")
    with pytest.raises(HaechiError, match=f"tag.unknown-{code}"):
        tagging.tag([str(files / "f")], "SEM-01", grade, funding)


def test_a_link_tags_the_file_that_it_leads_to(tagging: Tagging, files: Path) -> None:
    (files / "f").write_bytes(b"die layout")
    (files / "link").symlink_to(files / "f")
    assert tagging.tag([str(files / "link")], "SEM-01", "A").files[0].path == str(files / "f")


def test_what_is_everywhere_warns_and_is_tagged_all_the_same(tagging: Tagging, files: Path, tmp_path: Path) -> None:
    library = tmp_path / "lib" / "libm.so.6"
    library.write_bytes(os.urandom(3000))
    (files / "empty").touch()
    (files / "copy.so").write_bytes(library.read_bytes())
    os.link(library, files / "libm.so.6")
    (files / "tiny").write_bytes(b"\n")
    names = ["empty", "copy.so", "libm.so.6", "tiny"]
    report = tagging.tag([*(str(files / name) for name in names), str(library)], "SEM-01", "A")
    assert [problem.code for problem in report.problems] == [
        "tag.warn-empty",
        "tag.warn-library",
        "tag.warn-library",
        "tag.warn-tiny",
        "tag.warn-system",
    ]
    assert len(report.files) == 5


def test_nearer_folders_tighten_and_never_loosen(sources: FileTagSources, files: Path) -> None:
    (files / "near").mkdir()
    (files / ".haechi.yaml").write_text("tags:\n  - {files: '*.gds', technology: SEM-01, grade: B, funding: private}\n")
    (files / "near" / ".haechi.yaml").write_text(
        "tags:\n  - {files: [a.gds], technology: SEM-01, grade: A, funding: private}\n"
        "  - {files: [b.gds], technology: SEM-01, grade: C, funding: private}\n"
    )
    for name in ("a.gds", "b.gds", "c.txt"):
        (files / "near" / name).touch()
    read = {name: sources.read(str(files / "near" / name)) for name in ("a.gds", "b.gds", "c.txt")}
    assert read["a.gds"].tags[0].grade is Grade.A
    assert read["b.gds"].tags[0].grade is Grade.B
    assert [problem.code for problem in read["b.gds"].problems] == ["tag.folder-loosens"]
    assert read["c.txt"].tags == ()
    assert read["a.gds"].problems == ()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("tags: [}", "tag.malformed-at"),
        ("- not a mapping", "tag.malformed-at"),
        ("tags:\n  - {files: '!*.txt', technology: SEM-01, grade: A}", "tag.malformed-at"),
        ("tags:\n  - {files: '*', technology: SEM-99, grade: A}", "tag.unknown-technology-at"),
        ("tags:\n  - {files: '*', technology: SEM-01, grade: top}", "tag.unknown-grade-at"),
    ],
)
def test_a_rule_that_cannot_be_understood_protects_and_is_reported(
    sources: FileTagSources, files: Path, text: str, code: str
) -> None:
    (files / ".haechi.yaml").write_text(text)
    (files / "f").touch()
    read = sources.read(str(files / "f"))
    assert read.tags[0].grade is Grade.A
    assert read.problems[0].code == code


def test_a_malformed_attribute_protects_and_is_reported(sources: FileTagSources, files: Path) -> None:
    (files / "f").touch()
    os.setxattr(files / "f", ATTRIBUTE, b"\xff")
    read = sources.read(str(files / "f"))
    assert (read.tags[0].technology, read.problems[0].code) == ("OFFICIAL-PENDING", "tag.malformed-at")


def test_all_places_are_merged_and_the_strictest_wins(sources: FileTagSources, files: Path) -> None:
    path = files / "f.gds"
    path.touch()
    (files / ".haechi.yaml").write_text("tags:\n  - {files: '*', technology: SEM-01, grade: B, funding: private}\n")
    AttributeTags(CATALOGUE).write(str(path), (Tag("SEM-01", Grade.C, Funding.GOVERNMENT),))
    tags = PolicyTags.from_data([{"glob": "*.gds", "technology": "DSP-01", "grade": "A"}], CATALOGUE)
    sources.follow(CATALOGUE, tags)
    tags = {tag.technology: (tag.grade, tag.funding) for tag in sources.read(str(path)).tags}
    assert tags == {"SEM-01": (Grade.B, Funding.GOVERNMENT), "DSP-01": (Grade.A, Funding.UNKNOWN)}


def test_a_wrong_rule_of_the_policy_is_refused() -> None:
    with pytest.raises(HaechiError, match=r"tag\.bad-policy-rule"):
        PolicyTags.from_data([{"glob": "*", "technology": "NOPE", "grade": "A"}], CATALOGUE)


def test_untagging_needs_a_release_for_this_content(tagging: Tagging, index: SqliteContentIndex, files: Path) -> None:
    (files / "f").write_bytes(b"die layout")
    (files / "copy").write_bytes(b"die layout")
    digest = tagging.tag([str(files / "f"), str(files / "copy")], "SEM-01", "A").files[0].digest
    with pytest.raises(HaechiError, match=r"release\.bad-signature"):
        tagging.release(str(files / "f"), b"please", "untag")
    assert len(tagging.listed(str(files))) == 2
    tagging.release(str(files / "f"), b"yes " + digest.encode(), "untag")
    scan = index.scan()
    scan.feed(b"die layout")
    assert scan.finish().matches == ()
    assert tagging.listed(str(files)) == []


def full(released: Released) -> None:
    """An audit that has no room."""
    raise HaechiError("audit.full")


def test_a_release_that_cannot_be_recorded_changes_nothing(tagging: Tagging, files: Path) -> None:
    (files / "f").write_bytes(b"die layout")
    digest = tagging.tag([str(files / "f")], "SEM-01", "A").files[0].digest

    with pytest.raises(HaechiError, match=r"audit\.full"):
        tagging.release(str(files / "f"), b"yes " + digest.encode(), "untag", None, full)
    assert tagging.listed(str(files))[0].tags


def closed(spent: SpentReleases) -> None:
    assert isinstance(spent.ledger, SqliteReleaseLedger)
    spent.ledger.close()


@pytest.fixture
def untag(tagging: Tagging, recorded: list[Mapping[str, Any]], files: Path) -> Callable[[], str]:
    """Tag a content, and hand the release for it over: what it is refused with, or nothing."""

    def do() -> str:
        (files / "f").write_bytes(b"die layout")
        digest = tagging.tag([str(files / "f")], "SEM-01", "A").files[0].digest
        try:
            tagging.release(
                str(files / "f"),
                b"yes " + digest.encode(),
                "untag",
                None,
                lambda done: recorded.append(release_event(done, "id", NOW, "kim")),
            )
        except HaechiError as error:
            assert tagging.listed(str(files))
            return error.code + (" behind" if error.params.get("ledger_behind") else "")
        assert not tagging.listed(str(files))
        return ""

    return do


def test_a_release_is_good_once_for_a_content(untag: Callable[[], str], verifier: Verifier) -> None:
    assert [untag(), untag(), untag()] == ["", "tag.release-used", "tag.release-used"]
    verifier.id = "blake3:08"
    assert untag() == ""


def test_a_release_for_several_contents_is_good_once_for_each(tagging: Tagging, files: Path) -> None:
    for name in "fg":
        (files / name).write_bytes(name.encode() * 99)
        digest = tagging.tag([str(files / name)], "SEM-01", "A").files[0].digest
        tagging.release(str(files / name), b"yes " + digest.encode(), "untag")
    assert not tagging.listed(str(files))


def test_a_spent_release_stays_spent_over_a_restart_with_an_older_ledger_and_without_an_audit(
    untag: Callable[[], str], spent: SpentReleases, recorded: list[Mapping[str, Any]], tmp_path: Path
) -> None:
    """The audit alone knows it, then the ledger alone."""
    assert untag() == ""
    closed(spent)
    for path in tmp_path.glob("releases.sqlite*"):
        path.unlink()
    assert [untag(), untag()] == ["tag.release-used behind", "tag.release-used"]
    closed(spent)
    recorded.clear()
    assert untag() == "tag.release-used"


def test_a_release_that_could_not_be_recorded_is_not_spent(tagging: Tagging, files: Path) -> None:
    (files / "f").write_bytes(b"die layout")
    digest = tagging.tag([str(files / "f")], "SEM-01", "A").files[0].digest

    with pytest.raises(HaechiError, match=r"audit\.full"):
        tagging.release(str(files / "f"), b"yes " + digest.encode(), "untag", None, full)
    tagging.release(str(files / "f"), b"yes " + digest.encode(), "untag")
    assert not tagging.listed(str(files))


def test_where_the_ledger_cannot_be_asked_nothing_is_loosened(untag: Callable[[], str], tmp_path: Path) -> None:
    (tmp_path / "releases.sqlite").write_bytes(b"no database" * 500)
    assert untag() == "ledger.corrupt"


def test_lowering_goes_as_far_as_the_release_and_no_further(tagging: Tagging, verifier: Verifier, files: Path) -> None:
    (files / "f").write_bytes(b"die layout")
    release = b"yes " + tagging.tag([str(files / "f")], "SEM-01", "A", "private").files[0].digest.encode()
    verifier.grade = Grade.B
    with pytest.raises(HaechiError, match=r"tag\.release-too-narrow"):
        tagging.release(str(files / "f"), release, "lower", Tag("SEM-01", Grade.C, Funding.PRIVATE))
    tagging.release(str(files / "f"), release, "lower", Tag("SEM-01", Grade.B, Funding.PRIVATE))
    assert tagging.listed(str(files))[0].tags[0].grade is Grade.B


def test_tagging_again_lower_changes_nothing(tagging: Tagging, files: Path) -> None:
    (files / "f").write_bytes(b"die layout")
    tagging.tag([str(files / "f")], "SEM-01", "A", "government")
    tagging.tag([str(files / "f")], "SEM-01", "C", "private")
    tag = tagging.listed(str(files))[0].tags[0]
    assert (tag.grade, tag.funding) == (Grade.A, Funding.GOVERNMENT)
