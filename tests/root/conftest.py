"""Everything here is marked ``root``. Without root it is skipped with the reason; in CI that is a failure instead."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.root.lab import Lab

HERE = Path(__file__).parent
# An ordinary PATH lacks where nft and useradd are.
os.environ["PATH"] = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
NEEDED = ("nft", "ip", "unshare", "setpriv", "useradd")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.root)


@pytest.fixture(autouse=True)
def _root() -> None:
    missing = [tool for tool in NEEDED if shutil.which(tool) is None]
    reason = "needs root" if os.geteuid() != 0 else f"needs {', '.join(missing)} (make deps)" if missing else ""
    if reason and os.environ.get("CI") == "true":
        pytest.fail(f"{reason}: tests marked root may not be skipped in CI")
    if reason:
        pytest.skip(reason)


@pytest.fixture
def lab() -> Iterator[Lab]:
    made = Lab()
    try:
        made.build()
        yield made
    finally:
        made.remove()
