"""What people send files with to hosts that no cloud's connector knows: git, forms, JSON, WebDAV.

Nothing is known of such a host, and no registry can say so much of it that sealed content might go: it is refused too,
and what is not tagged arrives. A site that speaks S3's API is named by the registry, and tells its facts itself.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.e2e.matrix.client import Client, Place, Sealed, meets, started
from tests.e2e.matrix.s3_clients import said_by
from tests.e2e.other_hosts import DAV, GIT, WEB, OtherHosts, before_others
from tests.e2e.tools_lab import found
from tests.lab import Finished

pytestmark = pytest.mark.e2e


def _curl(at: Place, *words: str | Path) -> Finished:
    return at.lab.through(found("curl"), "-sS", "--fail-with-body", "--retry", "3", *words)


def form(at: Place, file: Path, key: str) -> Finished:
    return _curl(at, "-F", f"file=@{file};filename={key}", f"{WEB}/form")


def in_json(at: Place, file: Path, key: str) -> Finished:
    said = at.lab.folder / f"{key}.json"
    said.write_text(json.dumps({"name": key, "data": base64.b64encode(file.read_bytes()).decode()}))
    return _curl(at, "-H", "content-type: application/json", "--data-binary", f"@{said}", f"{WEB}/json")


def put(at: Place, file: Path, key: str) -> Finished:
    return _curl(at, "-T", file, f"{DAV}/dav/{key}")


PUSH = """
git init -q -b main "$1" && cd "$1" && cp "$2" "$3" && git add "$3" && git commit -q -m one &&
git push --force "$4" main
"""


def push(at: Place, file: Path, key: str) -> Finished:
    """A person whose own configuration names a company's proxy: git would follow it before any variable."""
    (at.lab.home / ".gitconfig").write_text(
        "[user]\nname = lab\nemail = lab@localhost\n[http]\nproxy = http://not.this.invalid:1\n"
    )
    work = at.lab.folder / f"repository-{key}"
    return at.lab.through("sh", "-ec", PUSH, found("git"), work, file, key, f"{GIT}/git/far.git")


def git_version() -> str:
    return said_by(found("git"), "--version")


def curl_version() -> str:
    return said_by(found("curl"), "--version")


unknown = partial(Client, "Other hosts", sealed=Sealed.REFUSED)
CLIENTS = [
    unknown("git", "push over HTTPS", push, git_version),
    unknown("curl", "form (multipart/form-data)", form, curl_version),
    unknown("curl", "JSON with base64", in_json, curl_version),
    unknown("curl", "WebDAV PUT", put, curl_version),
]


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    with before_others() as (hosts, lab):
        tagged, sealed, plain = started(lab)
        yield Place(lab, tagged, sealed, partial(_held, hosts), hosts, "servers", None, plain)


def _held(hosts: OtherHosts, key: str) -> bytes | None:
    """Wherever a client put it: the keys of all are different."""
    file = hosts.shelf / key
    return file.read_bytes() if file.is_file() else hosts.kept.get(key) or hosts.pushed(key)


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.slug)
def test_refused_readably_and_what_is_not_tagged_arrives(place: Place, client: Client) -> None:
    meets(client, place)
