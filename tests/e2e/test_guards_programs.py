"""The guide's programs for Google and Azure, word for word, as a person runs them: before the stores' emulators."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.guard_clouds import At, azure, google
from tests.stores.azurite import KEY, PROGRAM
from tests.stores.cloud_storage import SEOUL
from tests.unit.gcs.published import Google

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]
ROOT = Path(__file__).resolve().parents[2]
PAGES = ("guards.md", "guards.ko.md")


def program(page: str, sign: str, to: Path) -> Path:
    """The page's Python block with a sign, as a file."""
    blocks = [one.split("```")[0] for one in (ROOT / "docs" / page).read_text("utf-8").split("```python\n")[1:]]
    (found,) = [one for one in blocks if sign in one]
    to.write_text(found, encoding="utf-8")
    return to


def ran(at: At, script: Path, *given: str, **named: str) -> subprocess.CompletedProcess[str]:
    environment = at.lab.environment() | {
        "HTTPS_PROXY": at.way, "https_proxy": at.way, "REQUESTS_CA_BUNDLE": str(at.store.ca),
        "HAECHI_LANG": "ko", **named,
    }  # fmt: skip
    return subprocess.run(
        [sys.executable, str(script), *given],
        env=environment, cwd=at.lab.work, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_the_program_for_google(tmp_path: Path) -> None:
    with google(tmp_path) as at, Google() as tokens:
        named = {
            "GOOGLE_APPLICATION_CREDENTIALS": str(tokens.credentials(tmp_path)),
            "API_ENDPOINT_OVERRIDE": f"https://{SEOUL}",
            "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1",
        }  # fmt: skip
        for page in PAGES:
            script = program(page, "storage.Client()", at.lab.work / "send.py")
            refused = ran(at, script, "recipe.bin", "ours", page, **named)
            assert refused.returncode == 1, refused.stderr
            assert "R13" in refused.stderr
            assert "Forbidden" not in refused.stderr
            assert at.store.held("ours", page) is None
            went = ran(at, script, "recipe.bin.age", "ours", page, **named)
            assert went.returncode == 0, went.stderr
            assert at.store.held("ours", page) == at.sealed


@pytest.mark.skipif(not PROGRAM.exists(), reason="Azurite is not installed: make test, or tools/node-tools.sh")
def test_the_program_for_azure() -> None:
    with azure() as at:
        said = f"AccountName=fab1;AccountKey={KEY};BlobEndpoint=https://fab1.blob.core.windows.net"
        for page in PAGES:
            script = program(page, "BlobServiceClient", at.lab.work / "send.py")
            refused = ran(at, script, "recipe.bin", "ours", page, AZURE_STORAGE_CONNECTION_STRING=said)
            assert refused.returncode == 1, refused.stderr
            assert "R13" in refused.stderr
            assert "InsufficientAccountPermissions" in refused.stderr
            assert at.store.holds(page) is None
            went = ran(at, script, "recipe.bin.age", "ours", page, AZURE_STORAGE_CONNECTION_STRING=said)
            assert went.returncode == 0, went.stderr
            assert at.store.holds(page) == at.sealed
