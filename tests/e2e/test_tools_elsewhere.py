"""Tools of other clouds under ``haechi run``, toward hosts in scope: tagged content never arrives, other does."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.other_clouds import BELOW, OtherClouds
from tests.e2e.tools_lab import found
from tests.lab import Finished, Laboratory

pytestmark = pytest.mark.e2e
ACCOUNT = f"DefaultEndpointsProtocol=https;AccountName=lab;AccountKey=bGFi;BlobEndpoint=https://lab.{BELOW}"


@dataclass(frozen=True)
class There:
    lab: Laboratory
    clouds: OtherClouds
    tagged: Path
    plain: Path


@pytest.fixture(scope="module")
def there() -> Iterator[There]:
    with tempfile.TemporaryDirectory(prefix="haechi-clouds-") as name, OtherClouds(Path(name)) as clouds:
        hosts = {f"*.{BELOW}": f"127.0.0.1:{clouds.port}"}
        more = f'[scope]\npatterns = ["*.{BELOW}"]\n'
        with Laboratory(hosts=hosts, roots=[clouds.ca], more=more) as lab:
            lab.institution.publish(accounts=[], keys=[])
            lab.configure()
            tagged, plain = lab.work / "recipe.bin", lab.work / "notes.bin"
            tagged.write_bytes(random.Random(7).randbytes(200_000))
            plain.write_bytes(random.Random(8).randbytes(100_000))
            lab.start()
            done = lab.haechi("tag", tagged, "--technology", "SEM-01", "--grade", "A")
            assert done.status == 0, done.said
            yield There(lab, clouds, tagged, plain)


def az(at: There, file: Path, key: str) -> Finished:
    put = ["storage", "blob", "upload", "--connection-string", ACCOUNT, "-c", "container", "-n", key, "-f", file]
    return at.lab.through(found("az"), *put, "--overwrite", "--no-progress", AZURE_CORE_COLLECT_TELEMETRY="no")


def gcloud(at: There, file: Path, key: str) -> Finished:
    told = {
        "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true",
        "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE": f"https://storage.{BELOW}/storage/v1/",
    }
    return at.lab.through(found("gcloud"), "storage", "cp", file, f"gs://b/{key}", **told)


def gsutil(at: There, file: Path, key: str) -> Finished:
    options = ["-o", f"Credentials:gs_json_host=storage.{BELOW}", "-o", "Credentials:gs_json_port=443"]
    return at.lab.through(found("gsutil"), *options, "-o", "Boto:num_retries=0", "cp", file, f"gs://b/{key}")


def git(at: There, file: Path, key: str) -> Finished:
    """A person whose own configuration names a company's proxy: git would follow it before any variable."""
    (at.lab.home / ".gitconfig").write_text(
        "[user]\nname = lab\nemail = lab@localhost\n[http]\nproxy = http://not.this.invalid:1\n"
    )
    work = at.lab.folder / f"repository-{key}"
    script = """
    git init -q -b main "$1" && cd "$1" && cp "$2" "$3" && git add "$3" && git commit -q -m one &&
    git push -q --force "$4" main
    """
    url = f"https://git.{BELOW}/far.git"
    return at.lab.through("sh", "-ec", script, found("git"), work, file, key, url)


Upload = Callable[[There, Path, str], Finished]
TOOLS: dict[str, Upload] = {"az": az, "gcloud": gcloud, "gsutil": gsutil, "git": git}


def arrived(at: There, name: str, key: str) -> bytes | None:
    return at.clouds.pushed(key) if name == "git" else at.clouds.kept.get(key)


@pytest.mark.parametrize("name", TOOLS)
def test_tagged_content_is_refused_and_other_content_arrives(there: There, name: str) -> None:
    refused = TOOLS[name](there, there.tagged, f"{name}-tagged")
    assert refused.status != 0, refused.said
    assert arrived(there, name, f"{name}-tagged") is None
    decision = next(one for one in reversed(there.lab.decisions()) if one["content"]["state"] == "matched")
    assert decision["decision"]["effect"] == "block"
    assert decision["request"]["host"].endswith(BELOW)
    went = TOOLS[name](there, there.plain, f"{name}-plain")
    assert went.status == 0, went.said
    assert arrived(there, name, f"{name}-plain") == there.plain.read_bytes()
