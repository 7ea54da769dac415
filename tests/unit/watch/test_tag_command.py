"""What ``haechi tag``, ``tags`` and ``untag`` write, ask and say."""

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from haechi.commands.tag import tag, tags, untag
from haechi.domain.errors import HaechiError
from haechi.inbound.control import client
from haechi.outbound.tags import ATTRIBUTE

FILE = {
    "path": "/f",
    "size": 10,
    "digest": "blake3:00",
    "tags": [
        {
            "technology": "SEM-01",
            "grade": "A",
            "funding": "unknown",
            "owner": "",
            "origin": "command",
            "marked_at": None,
        }
    ],
}


class Agent:
    """Answers as an agent would, and keeps what it was asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.files: list[list[int]] = []
        self.answers: dict[str, dict[str, Any]] = {}
        self.running = True
        monkeypatch.setattr(client, "call", self.call)
        monkeypatch.setenv("HAECHI_LANG", "en")

    def call(
        self,
        name: str,
        args: dict[str, Any],
        on_progress: object = None,
        timeout: float = 0,
        *,
        files: Sequence[int] = (),
    ) -> dict[str, Any]:
        if not self.running:
            raise HaechiError("control.not-running", socket="s")
        if name == "tags.catalogue" and name not in self.answers:
            raise HaechiError("control.unknown-call", call=name)
        if name == "tags.catalogue":
            return self.answers[name]
        self.asked.append((name, args))
        self.files.append([os.fstat(file).st_ino for file in files])
        return json.loads(json.dumps(self.answers[name]))


@pytest.fixture
def agent(monkeypatch: pytest.MonkeyPatch) -> Agent:
    return Agent(monkeypatch)


def test_tag_writes_the_attribute_and_tells_the_agent(agent: Agent, tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"die layout")
    agent.answers["tags.index"] = {"files": [FILE], "count": 1, "unreadable": [], "problems": []}
    said = CliRunner().invoke(tag, [str(path), "--technology", "sem-01", "--grade", "a", "--json"])
    assert said.exit_code == 0, said.output
    assert json.loads(said.stdout)["indexed"] is True
    written = json.loads(os.getxattr(path, ATTRIBUTE))
    assert (written["version"], written["tags"][0]["technology"]) == (1, "SEM-01")
    assert agent.files == [[path.stat().st_ino]], "the file travels open"
    assert agent.asked == [
        ("tags.index", {"paths": [str(path)], "technology": "SEM-01", "grade": "A", "funding": "unknown", "owner": ""})
    ]


def test_a_folder_is_handed_over_file_by_file(agent: Agent, tmp_path: Path) -> None:
    for number in range(40):
        (tmp_path / f"f{number:02}").write_bytes(b"die layout")
    (tmp_path / "leads-elsewhere").symlink_to("/etc/hostname")
    agent.answers["tags.index"] = {"files": [FILE], "count": 1, "unreadable": [], "problems": []}
    said = CliRunner().invoke(tag, [str(tmp_path), "--technology", "SEM-01", "--grade", "A", "--json"])
    assert said.exit_code == 0, said.output
    assert [len(args["paths"]) for _, args in agent.asked] == [len(files) for files in agent.files] == [32, 8]
    assert json.loads(said.stdout)["count"] == 2


def test_what_is_read_is_shown_on_the_way(agent: Agent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[object] = []

    @contextlib.contextmanager
    def progress(title: str, *, shown: bool) -> Iterator[Callable[[object], None]]:
        told.append((title, shown))
        yield told.append

    monkeypatch.setattr("haechi.commands.tag.progress", progress)
    for number in range(40):
        (tmp_path / f"f{number:02}").write_bytes(b"die layout")
    agent.answers["tags.index"] = {"files": [FILE], "count": 1, "unreadable": [], "problems": []}
    CliRunner().invoke(tag, [str(tmp_path), "--technology", "SEM-01", "--grade", "A"])
    assert told == [("reading 40 file(s)", True), {"done": 320, "total": 400, "unit": "bytes"}]


def test_a_second_tag_on_a_file_only_tightens(agent: Agent, tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"die layout")
    agent.running = False
    for grade in ("A", "C"):
        CliRunner().invoke(tag, [str(path), "--technology", "SEM-01", "--grade", grade])
    assert json.loads(os.getxattr(path, ATTRIBUTE))["tags"][0]["grade"] == "A"


def test_without_an_agent_the_tag_is_written_and_the_person_told(agent: Agent, tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.touch()
    agent.running = False
    said = CliRunner().invoke(tag, [str(path), "--technology", "SEM-01", "--grade", "A"])
    assert said.exit_code == 0, said.output
    assert "No agent is running" in said.output
    assert "is empty" in " ".join(said.output.split())
    assert os.getxattr(path, ATTRIBUTE)


def test_an_unknown_technology_writes_nothing(agent: Agent, tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.touch()
    said = CliRunner().invoke(tag, [str(path), "--technology", "SEM-1", "--grade", "A"])
    assert isinstance(said.exception, HaechiError)
    assert ATTRIBUTE not in os.listxattr(path)
    assert agent.asked == []


def test_tags_lists_page_after_page(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []
    pages = [{"files": [{**FILE, "path": name}], "more": name < "/g"} for name in ("/f", "/g")]
    monkeypatch.setattr(client, "call", lambda name, args, **_: (asked.append(args), pages[len(asked) - 1])[1])
    said = CliRunner().invoke(tags, ["/"])
    assert said.exit_code == 0, said.output
    assert "SEM-01" in said.output
    assert [args["after"] for args in asked] == ["", "/f"]


def test_tags_says_what_was_not_understood(agent: Agent) -> None:
    problem = {"code": "tag.malformed-at", "params": {"where": "/data/.haechi.yaml"}}
    agent.answers["tags.list"] = {"files": [], "more": False, "problems": [problem]}
    assert "/data/.haechi.yaml cannot be read" in " ".join(CliRunner().invoke(tags, ["/"]).output.split())


def test_tags_names_what_cannot_be_read(agent: Agent) -> None:
    agent.answers["tags.list"] = {
        "unreadable": [{"path": "/f", "cause": "permission-denied", "tags": []}],
        "more": False,
    }
    assert "permission-denied" in CliRunner().invoke(tags, ["--unreadable"]).output


def test_untag_hands_over_the_release_and_takes_the_attribute_off(agent: Agent, tmp_path: Path) -> None:
    path, release = tmp_path / "f", tmp_path / "r.json"
    path.write_bytes(b"die layout")
    release.write_bytes(b"signed")
    os.setxattr(path, ATTRIBUTE, b"{}")
    agent.answers["tags.release"] = {
        "path": str(path),
        "digest": "",
        "before": FILE["tags"],
        "after": [],
        "release": {"number": "R-7"},
    }
    said = CliRunner().invoke(untag, [str(path), "--release", str(release)])
    assert said.exit_code == 0, said.output
    assert "R-7" in said.output
    assert ATTRIBUTE not in os.listxattr(path)
    assert agent.asked[0][1] == {"path": str(path), "release": "c2lnbmVk", "action": "untag"}
    assert agent.files == [[path.stat().st_ino]]


def test_lowering_asks_which_tag_before_anybody_is_asked(agent: Agent, tmp_path: Path) -> None:
    for name in ("f", "r"):
        (tmp_path / name).write_bytes(b"x")
    said = CliRunner().invoke(untag, [str(tmp_path / "f"), "--release", str(tmp_path / "r"), "--lower-to", "B"])
    assert isinstance(said.exception, HaechiError) and said.exception.code == "tag.lower-needs"
    assert agent.asked == []


def test_the_catalogue_is_listed(agent: Agent) -> None:
    said = CliRunner().invoke(tag, ["--list"])
    assert said.exit_code == 0 and said.output.startswith(("AER", "AUT", "BIO", "DIS", "ELE")), said.output[:80]
    assert any(line.startswith("SEM-01 ") for line in said.output.splitlines())


@pytest.mark.parametrize(("said", "code"), [("SEM-1", "tag.unknown-technology"), ("ZZZ", "tag.no-technology")])
def test_what_is_near_begins_with_what_was_meant(agent: Agent, tmp_path: Path, said: str, code: str) -> None:
    (tmp_path / "f").touch()
    error = CliRunner().invoke(tag, [str(tmp_path / "f"), "--technology", said, "--grade", "A"]).exception
    assert isinstance(error, HaechiError) and error.code == code
    assert str(error.params.get("near", "  SEM-01")).startswith("  SEM-01")


def test_an_empty_file_is_not_said_to_be_protected(agent: Agent, tmp_path: Path) -> None:
    (tmp_path / "f").touch()
    agent.answers["tags.index"] = {"files": [{**FILE, "size": 0}], "count": 1, "unreadable": [], "problems": []}
    said = " ".join(
        CliRunner().invoke(tag, [str(tmp_path / "f"), "--technology", "SEM-01", "--grade", "A"]).output.split()
    )
    assert "1 empty file(s) tagged" in said and "protected. Uploads" not in said


def test_a_tag_may_name_what_the_agents_policies_name_and_nothing_else(agent: Agent, tmp_path: Path) -> None:
    """They may have been fetched: only the agent can read them then."""
    path = tmp_path / "f"
    path.write_bytes(b"die layout")
    ours = {"id": "OURS-01", "ko": "우리 기술", "en": "our technology", "field": "ours"}
    agent.answers["tags.catalogue"] = {"technologies": [ours], "as_of": "2026-01-01"}
    agent.answers["tags.index"] = {"files": [FILE], "count": 1, "unreadable": [], "problems": []}
    said = CliRunner().invoke(tag, [str(path), "--technology", "ours-01", "--grade", "a"])
    assert said.exit_code == 0, said.output
    assert json.loads(os.getxattr(path, ATTRIBUTE))["tags"][0]["technology"] == "OURS-01"
    refused = CliRunner().invoke(tag, [str(path), "--technology", "SEM-01", "--grade", "a"])
    assert isinstance(refused.exception, HaechiError)
    assert CliRunner().invoke(tag, ["--list"]).output == "OURS-01  our technology\n"
    agent.running = False
    assert "SEM-01" in CliRunner().invoke(tag, ["--list"]).output


def test_without_an_agent_a_catalogue_that_only_it_could_read_is_told_to_be_missing(
    agent: Agent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent.running = False
    settings = tmp_path / "haechi.toml"
    lines = f'[paths]\nlayout = "user"\nstate = "{tmp_path}"\n[policy]\nsource = "https://bundles.example/x"\n'
    settings.write_text(lines, encoding="utf-8")
    monkeypatch.setenv("HAECHI_CONFIG", str(settings))
    said = CliRunner().invoke(tag, ["--list"])
    assert "SEM-01" in said.stdout
    assert "the catalogue that ships stands in" in said.stderr
