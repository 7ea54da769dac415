"""A full disk under the audit or all of the state: refused in words, and working again once there is room.

The disks are small file systems of their own (tmpfs), which only root can mount.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.fault_lab import KIB, MIB, TOKYO, ward
from tests.e2e.in_time import back
from tests.stores import Landscape, MotoStore, started_store

pytestmark = [pytest.mark.root, pytest.mark.alone]


@pytest.fixture(scope="module")
def shop() -> Iterator[tuple[MotoStore, Landscape]]:
    with started_store() as made:
        yield made


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "haechi-test", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def fill(folder: Path, *, but: int = 0) -> Path:
    """Take all the room that is left, ``but`` some bytes."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4 * KIB))
        except OSError:
            os.truncate(ballast, file.tell() - but)
            return ballast


def test_a_full_disk_under_the_audit_refuses_until_there_is_room(shop, tmp_path: Path) -> None:
    with (
        small_disk(tmp_path / "audit", 2 * MIB) as disk,
        ward(*shop, more=f'[audit]\nfolder = "{disk}"\n') as at,
    ):
        ballast = fill(disk)
        keys = [at.key("full") for _ in range(3)]
        tagged = at.raw(keys[0], at.tagged)
        assert tagged.status == 403
        assert "R13" in tagged.body or "disk that holds the audit is full" in tagged.body
        # What is allowed cannot be recorded either: the first may still be in the gathering, then all are refused.
        answers = [at.put(key, os.urandom(8 * KIB)) for key in keys[1:] for _ in range(3)]
        last = answers[-1]
        assert last.status == 403, answers
        assert "disk that holds the audit is full" in last.body and "no restart is needed" in last.body, last
        number = re.search(r"haechi explain (\S+?)\)", last.body)
        assert number, last.body
        explained = at.lab.haechi("explain", number[1], "--json")
        assert explained.status == 0 and '"unwritten": true' in explained.said, explained.said
        at.absent(keys[0])
        assert at.status()["parts"]["audit"]["problem"] == "audit.disk-full"
        ballast.unlink()
        freed = time.monotonic()
        back(lambda: at.status()["parts"]["audit"]["problem"], "the audit", since=freed)
        at.working_again(since=freed)
        done = at.lab.haechi("audit", "verify", "--folder", disk)
        assert done.status == 0, done.said
        kinds = [line for segment in sorted(disk.glob("*.jsonl")) for line in segment.read_text().splitlines()]
        assert any('"kind":"interrupted"' in line for line in kinds), "the gap must be told"
        assert any(f'"id":"{number[1]}"' in line for line in kinds), "the refusal is recorded after all"


def test_a_full_disk_under_the_log_as_well_loses_nothing_and_ends_nothing(shop, tmp_path: Path) -> None:
    """As ``haechi agent start`` sets it up: whoever complains of the full disk does so on that very disk."""
    with ward(*shop) as at:
        at.lab.stop()
        aside = tmp_path / "state"
        state = at.lab.folder / "state"
        state.rename(aside)
        with small_disk(state, 8 * MIB) as disk:
            subprocess.run(["cp", "-a", f"{aside}/.", disk], check=True)
            at.restart()
            at.working_again()
            ballast = fill(disk, but=8 * KIB)
            for _ in range(8):
                key = at.key("full")
                assert at.raw(key, at.tagged).status == 403
                at.absent(key)
                at.put(at.key("full"), os.urandom(8 * KIB))
                (at.lab.work / f"{key}.bin").write_bytes(at.tagged)  # a copy, for the watcher
            back(lambda: at.status()["parts"]["audit"]["problem"] != "audit.disk-full", "to see the full disk")
            proved = at.lab.haechi("doctor")
            assert proved.status == 3 and "The disk is full" in proved.said, proved.said
            ballast.unlink()
            freed = time.monotonic()
            at.working_again(since=freed)
            back(lambda: [part for part in at.status()["parts"].values() if part["state"] != "ok"], since=freed)
            parts = at.status()["parts"]
            assert (parts["audit"]["lost"], parts["log"]["lost"]) == (0, 0), parts
            at.verified()
            at.lab.stop()

            ballast = fill(disk)
            started = at.lab.haechi("agent", "start")
            assert started.status == 3 and "The disk is full" in started.said, started.said
            ballast.unlink()
            at.restart()
            at.working_again()
            at.lab.stop()


def test_a_full_disk_under_bodies_that_are_held_refuses_them_until_there_is_room(shop, tmp_path: Path) -> None:
    with (
        small_disk(tmp_path / "spool", 2 * MIB) as disk,
        ward(*shop, datapath=f'spool_folder = "{disk}"') as at,
    ):
        ballast = fill(disk)
        key, content = at.key("abroad"), os.urandom(MIB)
        answer = at.put(key, content, bucket=at.land.tokyo, region=TOKYO)
        at.refused(answer, "no room left to hold back", cause="spool-full")
        at.absent(key, bucket=at.land.tokyo)
        at.working_again()  # what is not held needs no room
        ballast.unlink()
        assert at.put(key, content, bucket=at.land.tokyo, region=TOKYO).status == 200
        assert at.held(key, bucket=at.land.tokyo) == content
        at.verified()


def test_a_full_disk_under_all_of_the_state_never_lets_tagged_content_through(shop, tmp_path: Path) -> None:
    """Index, ledgers, spool and audit on one full disk: also content that was tagged when there was no room."""
    with ward(*shop) as at:
        at.lab.stop()
        aside = tmp_path / "state"
        state = at.lab.folder / "state"
        state.rename(aside)
        with small_disk(state, 6 * MIB) as disk:
            subprocess.run(["cp", "-a", f"{aside}/.", disk], check=True)
            at.restart()
            at.working_again()
            ballast = fill(disk)
            fresh = at.lab.work / "fresh.bin"
            content = os.urandom(256 * KIB)
            fresh.write_bytes(content)
            said = at.lab.haechi("tag", fresh, "--technology", "SEM-01", "--grade", "A")
            assert said.status == 1, said.said
            assert "There is no room left for the index" in said.said and "Free disk space" in said.said, said.said
            keys = [at.key("full") for _ in range(3)]
            refused = [at.raw(keys[0], at.tagged), at.raw(keys[1], content), at.put(keys[2], content)]
            assert [one.status for one in refused] == [403] * 3, (said, refused)
            at.absent(*keys)
            ballast.unlink()
            freed = time.monotonic()
            at.working_again(since=freed)
            done = at.lab.haechi("tag", fresh, "--technology", "SEM-01", "--grade", "A")
            assert done.status == 0, done.said
            key = at.key("later")
            at.refused(at.raw(key, content), rule="r13_layer1")
            at.absent(key)
            at.verified()
            at.lab.stop()


def test_monitor_mode_forwards_with_a_full_disk_under_the_audit(shop, tmp_path: Path) -> None:
    with (
        small_disk(tmp_path / "audit", 2 * MIB) as disk,
        ward(*shop, monitor=True, more=f'[audit]\nfolder = "{disk}"\n') as other,
    ):
        ballast = fill(disk)
        for _ in range(4):
            key = other.key("full-disk")
            assert other.put(key, other.tagged).status == 200
            assert other.held(key) == other.tagged
        assert other.status()["parts"]["audit"]["outages"] >= 1
        late = other.status()["parts"]["audit"]["later"]
        ballast.unlink()
        back(lambda: other.status()["parts"]["audit"]["problem"], "the audit")
        assert other.lab.haechi("audit", "verify", "--folder", disk).status == 0
        lines = [line for segment in sorted(disk.glob("*.jsonl")) for line in segment.read_text().splitlines()]
        assert late and sum('"delayed":' in line for line in lines) == late, "every verdict is recorded after all"
