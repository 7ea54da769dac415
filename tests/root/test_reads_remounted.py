"""A medium is taken out and put in again: its files are watched as before, and the moment between is unknown."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from haechi.domain.facts import Unknown

from tests.unit.reads.test_watch import Machine, ended, machine, read_by_another

__all__ = ["ended", "machine"]
pytestmark = pytest.mark.root


class Medium:
    """A file system in a file."""

    def __init__(self, folder: Path) -> None:
        self.image, self.place = folder / "image", folder / "medium"
        self.place.mkdir()
        self.image.write_bytes(b"")
        with self.image.open("r+b") as file:
            file.truncate(8 << 20)
        subprocess.run(["mkfs.ext4", "-q", self.image], check=True)

    def put_in(self) -> bool:
        made = subprocess.run(["mount", "-o", "loop", self.image, self.place], capture_output=True, check=False)
        return made.returncode == 0

    def take_out(self) -> None:
        subprocess.run(["umount", self.place], check=True)


@pytest.fixture
def medium(tmp_path: Path) -> Iterator[Medium]:
    if shutil.which("mkfs.ext4") is None:
        pytest.skip("no mkfs.ext4")
    made = Medium(tmp_path)
    if not made.put_in():
        pytest.skip("no loop devices here")
    yield made
    subprocess.run(["umount", "--lazy", made.place], capture_output=True, check=False)


def test_a_medium_that_is_put_in_again_is_watched_again(machine: Machine, medium: Medium) -> None:
    running = machine.start()
    path = machine.write("medium/lot.csv")
    medium.take_out()
    assert medium.put_in()
    until = time.monotonic() + 20
    while not running._memory.recent.gaps and time.monotonic() < until:
        time.sleep(0.05)
    assert machine.facts().user == Unknown("reads-remounted")
    read_by_another(path)
    assert machine.facts().user is True
