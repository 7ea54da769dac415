"""The documents are true: links lead somewhere, commands exist, languages are in step, nothing private is told."""

from __future__ import annotations

import re
import shlex
import subprocess
import tomllib
from pathlib import Path

import click
import pytest
from haechi.cli import COMMANDS, root

ROOT = Path(__file__).resolve().parents[3]
MAKE_TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def tracked() -> list[Path]:
    """Every file of the project, also before it is committed."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, check=True, timeout=30,
    ).stdout  # fmt: skip
    return [ROOT / name for name in listed.decode().split("\0") if name and (ROOT / name).is_file()]


DOCUMENTS = [path for path in tracked() if path.suffix == ".md"]


def names(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(ROOT)) for path in paths]


@pytest.mark.parametrize("document", DOCUMENTS, ids=names(DOCUMENTS))
def test_every_link_leads_somewhere(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith(("https://", "mailto:")):
            continue
        path, _, anchor = target.partition("#")
        goal = (document.parent / path) if path else document
        assert goal.exists(), f"{document.name}: {target}"
        if anchor and goal.suffix == ".md":
            assert anchor in anchors(goal), f"{document.name}: {target}"


def anchors(document: Path) -> set[str]:
    headings = re.findall(r"^#+\s+(.+)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


EXECUTED = {
    f"{guide}{language}.md" for guide in ("first-steps", "first-week", "drift", "guards") for language in ("", ".ko")
}
"""Guides whose every command a test in tests/e2e runs: test_first_steps.py, test_guards_guide.py and so on."""


def commands() -> list[tuple[str, str]]:
    found = []
    for document in DOCUMENTS:
        if document.name in EXECUTED:
            continue
        for block in re.findall(r"^```sh\n(.*?)^```", document.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
            lines = re.sub(r"\\\n", " ", block).splitlines()
            found += [(str(document.relative_to(ROOT)), line) for line in lines if line.strip() and line[0] != "#"]
    return found


@pytest.mark.parametrize(("document", "line"), commands())
def test_every_command_shown_exists(document: str, line: str) -> None:
    words = shlex.split(line, comments=True)
    if words[0] == "sudo":
        words = words[1:]
    if words[0] == "make":
        for word in words[1:]:
            assert "=" in word or word in MAKE_TARGETS, word
    elif Path(words[0]).name == "haechi":
        check(words[1:])
    elif words[0].endswith(".sh"):
        # Ours, in the tree or in what is packed from it.
        assert any(path.name == Path(words[0]).name for path in tracked()), f"{document}: {words[0]}"
    else:
        known = {
            "apt-get",
            "aws",
            "cat",
            "cp",
            "curl",
            "docker",
            "export",
            "git",
            "journalctl",
            "kubectl",
            "nft",
            "sed",
            "sha256sum",
            "systemctl",
        }
        assert words[0] in known, f"{document}: {words[0]} is not a command that a reader would have"


def check(words: list[str]) -> None:
    """Whether click knows the names and options."""
    assert words, "a bare haechi"
    if words[0].startswith("-"):
        return
    assert words[0] in COMMANDS, words[0]
    command = root.get_command(click.Context(root), words[0])
    rest = words[1:]
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        command = command.get_command(click.Context(command), rest.pop(0))
        assert command is not None, words
    assert command is not None
    options = {name for parameter in command.params for name in [*parameter.opts, *parameter.secondary_opts]}
    for word in rest[: rest.index("--")] if "--" in rest else rest:
        if word.startswith("--"):
            assert word.split("=")[0] in options | {"--help"}, f"{' '.join(words)}: {word}"


@pytest.mark.parametrize("document", [d for d in DOCUMENTS if d.name.endswith(".ko.md")], ids=lambda d: d.name)
def test_both_languages_show_the_same_commands_and_sections(document: Path) -> None:
    other = document.with_name(document.name.replace(".ko.md", ".md"))
    assert other.exists()
    ours, theirs = (path.read_text(encoding="utf-8") for path in (document, other))
    for pattern in (r"^(#+) ", r"^```(\w*)$"):
        assert re.findall(pattern, ours, re.MULTILINE) == re.findall(pattern, theirs, re.MULTILINE)
    blocks = [re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL) for text in (ours, theirs)]
    assert blocks[0] == blocks[1]


def test_every_library_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    text = (ROOT / "docs/adr/0002-libraries.md").read_text(encoding="utf-8").lower()
    cells = " ".join(line.split("|")[1] for line in text.splitlines() if line.startswith("| "))
    listed = set(re.findall(r"[a-z0-9][a-z0-9._-]*", cells))
    required = [re.split(r"[^A-Za-z0-9._-]", line)[0].lower() for line in wanted]
    missing = [name for name in required if name not in listed]
    assert missing == []


def test_the_locks_carry_hashes_and_no_addresses() -> None:
    locks = sorted((ROOT / "requirements").glob("*.txt"))
    assert locks
    for lock in locks:
        text = lock.read_text(encoding="utf-8")
        assert "://" not in text
        assert not re.search(r"^--", text, re.MULTILINE)
        for block in re.split(r"\n(?=\S)", text.strip()):
            assert "--hash=sha256:" in block, f"{lock.name}: {block[:60]}"


# Written in pieces, so that this file does not contain what it looks for.
PRIVATE = [
    "/wo" + "rk/(main|shared|\\.)", "/ro" + "ot/\\.", "/tmp/" + "(probe|gobin|brief)", "lib" + "rary/env",
    "files\\.python" + "hosted\\.org", "py" + "pi\\.org", "proxy\\.go" + "lang\\.org", "registry\\.npm" + "js",
    "deb\\.deb" + "ian\\.org", "rep" + "o1\\.maven", "\\bC" + "laude\\b", "\\bAnth" + "ropic", "\\bLL" + "M\\b",
    "\\bAI " + "(agent|assistant|model)", "issues" + " show",
]  # fmt: skip


@pytest.mark.parametrize("pattern", PRIVATE)
def test_nothing_private_is_in_the_tree(pattern: str) -> None:
    look = re.compile(pattern)
    found = []
    for path in tracked():
        if path.name in ("go.sum", "LICENSE") or path.stat().st_size > 4 << 20:
            continue
        text = path.read_bytes().decode("utf-8", "ignore")
        found += [f"{path.relative_to(ROOT)}: {match.group()}" for match in look.finditer(text)]
    assert found == []


def test_every_test_file_that_needs_root_is_listed() -> None:
    text = (ROOT / "docs/development.md").read_text(encoding="utf-8")
    files = {f"tests/root/{path.name}" for path in (ROOT / "tests/root").glob("test_*.py")}
    assert set(re.findall(r"tests/root/test_\w+\.py", text)) == files


CONNECTORS, AGENT = ROOT / "connectors/haechi_connectors", ROOT / "agent/haechi"
BASES = [
    ROOT, ROOT / "docs", AGENT, AGENT / "inbound", AGENT / "inbound/envoy", AGENT / "outbound",
    CONNECTORS, CONNECTORS / "s3",
]  # fmt: skip
"""Where a path that a page names may begin."""


@pytest.mark.parametrize("name", ["architecture.md", "architecture.ko.md"])
def test_the_architecture_names_what_exists(name: str) -> None:
    text = (ROOT / "docs" / name).read_text(encoding="utf-8")
    named = [word for word in re.findall(r"`([^`\n]+)`", text) if "/" in word or word.endswith((".py", ".toml"))]
    assert len(named) > 30
    assert [word for word in named if not any((base / word).exists() for base in BASES)] == []


@pytest.mark.parametrize("index", ["README.md", "README.ko.md"])
def test_the_index_leads_to_every_page(index: str) -> None:
    text = (ROOT / "docs" / index).read_text(encoding="utf-8")
    korean = ".ko" in index
    pages = [path for path in tracked() if path.parent == ROOT / "docs" and path.suffix == ".md"]
    both = {path.name for path in pages}
    for path in pages:
        if path.name.startswith("README."):
            continue
        theirs = path.name.endswith(".ko.md")
        if theirs == korean or (korean and path.name.replace(".md", ".ko.md") not in both):
            assert f"({path.name})" in text, path.name


def test_no_user_visible_command_is_missing_from_the_changes() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert [name for name in COMMANDS if f"`haechi {name}" not in text] == []


def test_korean_pages_call_one_thing_by_one_word() -> None:
    for page in (*(ROOT / "docs").rglob("*.ko.md"), *(ROOT / "deploy").rglob("*.ko.md"), ROOT / "README.ko.md"):
        text = page.read_text(encoding="utf-8")
        assert "블롭" not in text and "레지스트리의 `watched`" not in text, page.name
