"""``make demo`` as a user runs it: everything turns out as its table says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]
ROOT = Path(__file__).resolve().parents[2]


def test_the_demo_ends_well_and_shows_its_table(tmp_path: Path) -> None:
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{ROOT / '.tools/bin'}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(tmp_path), "TMPDIR": os.environ.get("TMPDIR", "/tmp"), "LANG": "C.UTF-8", "HAECHI_LANG": "en",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, ROOT / "demo/run.py"], check=False,
        cwd=tmp_path, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=380,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    closing = re.search(r"(\d+) of (\d+) as expected", done.stdout)
    assert closing is not None, done.stdout
    assert closing[1] == closing[2]
    # At least the sixteen uploads that the demonstration promises, each judged under an id of its own.
    assert int(closing[2]) >= 16
    assert len(set(re.findall(r"hd-[0-9A-Z]{12}", done.stdout))) >= 16
    for head in ("what", "client", "expected", "got", "rule", "decision id"):
        assert head in done.stdout
    assert "✗" not in done.stdout
