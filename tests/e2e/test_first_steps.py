"""The first steps, word for word: every command of the guide is run in its order, against a store with AWS's names."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.stores.landscape import Landscape, build_landscape
from tests.stores.moto import AGENT, OURS, MotoStore

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def store() -> Iterator[tuple[MotoStore, Landscape]]:
    with MotoStore() as running:
        yield running, build_landscape(running)


@pytest.fixture
def home() -> Iterator[Path]:
    """Short, as home folders are: sockets lie below it, and their paths are bounded by the kernel."""
    with tempfile.TemporaryDirectory(prefix="home-") as folder:
        yield Path(folder)


def script(guide: Path) -> str:
    blocks = re.findall(r"^```sh\n(.*?)^```", guide.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return "set -euo pipefail\n" + "".join(blocks)


def machine(home: Path, store: MotoStore) -> dict[str, str]:
    """A person's machine. Only where AWS's names lead is arranged for it; the rest is what the guide asks for."""
    config = home / ".config" / "haechi"
    config.mkdir(parents=True)
    (config / "haechi.toml").write_text(
        f'[datapath]\nextra_roots = ["{store.ca}"]\n'
        f'[datapath.hosts]\n"*.amazonaws.com" = "127.0.0.1:{store.port}"\n'
        f"[notify]\ndesktop = false\n"
    )
    return {
        "HOME": str(home),
        "PATH": os.pathsep.join(["/usr/local/bin", "/usr/bin", "/bin"]),
        "LANG": "C.UTF-8",
        "AWS_DEFAULT_REGION": store.region,
        "AGENT_KEY_ID": AGENT.access_key,
        "AGENT_SECRET_KEY": AGENT.secret_key,
        **OURS.environment(),
    }


def followed(environment: dict[str, str], guides: Sequence[str], *, seconds: float, before: str = "") -> str:
    """All that the guides' commands print, one guide after the other in one shell; ``before`` goes ahead of them. The
    agent is stopped whatever comes of it.
    """
    commands = before + "".join(script(ROOT / "docs" / guide) for guide in guides)
    try:
        done = subprocess.run(
            ["bash", "-c", commands],
            env=environment, cwd=ROOT, capture_output=True, text=True, timeout=seconds, check=False,
        )  # fmt: skip
    finally:
        subprocess.run([sys.executable, "-m", "haechi.cli", "agent", "stop"], env=environment, timeout=30, check=False)
    printed = done.stdout + done.stderr
    assert done.returncode == 0, printed[-3000:]
    return printed


@pytest.mark.parametrize(
    ("guide", "said"),
    [
        ("first-steps.md", ["Haechi refused this upload", "R13", "Nothing is wrong"]),
        ("first-steps.ko.md", ["해치가 업로드를 차단했습니다", "R13"]),
    ],
)
def test_the_guide_leads_from_nothing_to_a_refusal_and_a_sealed_upload(
    guide: str, said: list[str], store: tuple[MotoStore, Landscape], home: Path
) -> None:
    running, land = store
    environment = machine(home, running)
    environment |= {"BUCKET": land.own_key, "KEY_ARN": land.seoul_key}
    environment["HAECHI_LANG"] = "ko" if guide.endswith(".ko.md") else "en"
    printed = followed(environment, [guide], seconds=110)
    for words in said:
        assert words in printed
    assert running.digest(land.own_key, "recipe.bin") is None
    assert running.same(land.own_key, "recipe.bin.age", home / "work" / "recipe.bin.age")
