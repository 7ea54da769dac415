"""Real clients toward hosts that nobody knows: tagged content never arrives, and whoever sent it can read why."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.other_hosts import BELOW, DAV, GIT, WEB, OtherHosts, before_others
from tests.e2e.tools_lab import found
from tests.lab import Finished, Laboratory

pytestmark = pytest.mark.e2e


@dataclass(frozen=True)
class There:
    lab: Laboratory
    hosts: OtherHosts
    tagged: Path
    large: Path
    plain: Path

    def curl(self, *words: str | Path) -> Finished:
        return self.lab.through(found("curl"), "-sS", "--max-time", "60", *words)

    def last(self) -> dict:
        """The last decision about tagged content."""
        return next(one for one in reversed(self.lab.settled()) if one["content"]["state"] == "matched")


@pytest.fixture(scope="module")
def there() -> Iterator[There]:
    with before_others() as (hosts, lab):
        tagged, large, plain = lab.work / "recipe.bin", lab.work / "mask.bin", lab.work / "notes.bin"
        tagged.write_bytes(random.Random(7).randbytes(60_000))
        large.write_bytes(random.Random(9).randbytes(3_000_000))
        plain.write_bytes(random.Random(8).randbytes(2_000_000))
        lab.start()
        lab.tag(tagged, large)
        yield There(lab, hosts, tagged, large, plain)


def refused(at: There, done: Finished) -> str:
    """That it was, and that what was printed says why and by which number to ask; the decision's id."""
    printed = [one for one in at.lab.settled() if one["id"] in done.said]
    assert printed, done.said
    decision = printed[-1]
    assert decision["content"]["state"] == "matched"
    assert decision["decision"]["effect"] == "block"
    assert decision["request"]["host"].endswith(BELOW)
    assert "Haechi refused this" in done.said
    return str(decision["id"])


def test_the_second_file_of_a_form(there: There) -> None:
    form = ["-F", f"one=@{there.plain};filename=f1.bin", "-F", f"two=@{there.tagged};filename=f2.bin", f"{WEB}/form"]
    refused(there, there.curl("--retry", "3", *form))
    assert not {"f1.bin", "f2.bin"} & set(there.hosts.kept)
    assert "POST /form" not in there.hosts.requests
    went = there.curl(
        "-F", f"one=@{there.plain};filename=f3.bin", "-F", f"two=@{there.plain};filename=f4.bin", f"{WEB}/form"
    )
    assert went.out == "kept\n", went.said
    assert there.hosts.kept["f3.bin"] == there.hosts.kept["f4.bin"] == there.plain.read_bytes()


def test_base64_in_json(there: There) -> None:
    def put(file: Path, name: str) -> Finished:
        said = there.lab.folder / f"{name}.json"
        said.write_text(json.dumps({"name": name, "data": base64.b64encode(file.read_bytes()).decode()}))
        kind = "content-type: application/json"
        return there.curl("-H", kind, "-H", "accept: application/json", "--data-binary", f"@{said}", f"{WEB}/json")

    done = put(there.tagged, "j1")
    number = refused(there, done)
    answer = json.loads(done.out)
    assert (answer["decision"], answer["error"]["code"]) == (number, "AccessDenied")
    assert "j1" not in there.hosts.kept
    assert put(there.plain, "j2").out == "kept\n"
    assert there.hosts.kept["j2"] == there.plain.read_bytes()


def test_an_urlencoded_value(there: There) -> None:
    data = base64.b64encode(there.tagged.read_bytes()).decode()
    file = there.lab.folder / "value"
    file.write_text(data)
    refused(there, there.curl("--data-urlencode", f"u1@{file}", f"{WEB}/form"))
    assert "u1" not in there.hosts.kept


def test_a_page_is_told_in_a_page(there: There) -> None:
    done = there.curl("-H", "accept: text/html,*/*;q=0.8", "-F", f"x=@{there.tagged};filename=p1.bin", f"{WEB}/form")
    refused(there, done)
    assert done.out.startswith("<!doctype html>")


def test_a_webdav_server(there: There) -> None:
    made = there.curl("-X", "MKCOL", "-o", "/dev/null", "-w", "%{http_code}", f"{DAV}/dav/drawings/")
    assert made.out == "201", made.said
    refused(there, there.curl("-T", there.tagged, f"{DAV}/dav/drawings/recipe.bin"))
    assert list((there.hosts.shelf / "drawings").iterdir()) == []
    went = there.curl("-T", there.plain, "-o", "/dev/null", "-w", "%{http_code}", f"{DAV}/dav/drawings/notes.bin")
    assert went.out == "201", went.said
    stored = there.hosts.shelf / "drawings" / "notes.bin"
    assert stored.read_bytes() == there.plain.read_bytes()
    to = f"Destination: {DAV}/dav/drawings/more.bin"
    copied = there.curl(
        "-X", "COPY", "-H", to, "-o", "/dev/null", "-w", "%{http_code}", f"{DAV}/dav/drawings/notes.bin"
    )
    assert copied.out == "201", copied.said
    nowhere = there.curl("-X", "MOVE", f"{DAV}/dav/drawings/notes.bin")
    refused(there, nowhere)
    assert stored.exists()


def test_pieces_of_a_resumable_upload(there: There) -> None:
    pieces = []
    for at, end in ((0, 30_000), (30_000, 60_000)):
        piece = there.lab.folder / f"piece-{at}"
        piece.write_bytes(there.plain.read_bytes()[at:end])
        said = ["-X", "PATCH", "-H", f"Upload-Offset: {at}", "--data-binary", f"@{piece}", f"{WEB}/t1"]
        pieces.append(there.curl(*said).out)
    assert pieces == ["kept\n", "kept\n"]
    assert there.hosts.kept["t1"] == there.plain.read_bytes()[:60_000]
    unseen = there.lab.folder / "piece-30000"
    refused(there, there.curl("-X", "PATCH", "-H", "Upload-Offset: 30000", "--data-binary", f"@{unseen}", f"{WEB}/t2"))
    assert "t2" not in there.hosts.kept


def test_sealed_content_does_not_go_to_nobody_knows_where(there: There) -> None:
    sealed = there.lab.folder / "recipe.age"
    done = there.lab.haechi("seal", there.tagged, "--output", sealed)
    assert done.status == 0, done.said
    refused(there, there.curl("-T", sealed, f"{WEB}/s1"))
    assert there.last()["content"]["sealed"] is True
    assert "s1" not in there.hosts.kept


PUSH = """
git init -q -b main "$1" && cd "$1" && cp "$2" "$3" && git add "$3" && git commit -q -m one &&
git push --force "$4" main
"""


def push(at: There, file: Path, key: str) -> Finished:
    (at.lab.home / ".gitconfig").write_text("[user]\nname = lab\nemail = lab@localhost\n")
    return at.lab.through("sh", "-ec", PUSH, found("git"), at.lab.folder / f"r-{key}", file, key, f"{GIT}/git/far.git")


@pytest.mark.parametrize("size", ["small", "large"])
def test_a_push(there: There, size: str) -> None:
    """What is larger than ``http.postBuffer`` (1 MiB) is pushed in chunks, whose answer comes before their end."""
    done = push(there, there.tagged if size == "small" else there.large, f"g-{size}")
    assert done.status != 0
    assert there.hosts.pushed(f"g-{size}") is None
    refused(there, done)
    assert "remote: " in done.said
    assert "remote unpack failed" in done.said


def test_a_push_of_untagged_files_arrives(there: There) -> None:
    done = push(there, there.plain, "g-plain")
    assert done.status == 0, done.said
    assert there.hosts.pushed("g-plain") == there.plain.read_bytes()
