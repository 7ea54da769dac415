from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from haechi.durable import create_file, replace_file
from haechi.outbound.index.seed import read_seed
from haechi.outbound.self_tests import FileSelfTests
from haechi.outbound.system.files import Files
from haechi.outbound.trust.keys import SigningKey

WRITES: dict[str, Callable[[Path], object]] = {
    "replace": lambda path: replace_file(path, b"new"),
    "create": lambda path: create_file(path, b"new"),
    "key": lambda path: SigningKey.generate().save(path),
    "seed": read_seed,
    "installed": lambda path: Files().write(path, b"new", 0o644),
    "self-tests": lambda path: FileSelfTests(path).keep({"state": "well"}),
}


class Disk:
    """What was asked of the disk, in order: ``sync file``, ``name``, ``sync folder``."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[str] = []
        for name in ("replace", "link"):
            monkeypatch.setattr(os, name, self._named(getattr(os, name)))
        sync = os.fsync

        def fsync(handle: int) -> None:
            self.asked.append("sync folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "sync file")
            sync(handle)

        monkeypatch.setattr(os, "fsync", fsync)

    def _named(self, real: Callable[..., None]) -> Callable[..., None]:
        def call(*arguments: object, **more: object) -> None:
            self.asked.append("name")
            real(*arguments, **more)

        return call


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_contents_are_safe_before_their_name_and_the_name_before_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path], object]
) -> None:
    disk = Disk(monkeypatch)
    write(tmp_path / "file")
    assert disk.asked == ["sync file", "name", "sync folder"]
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_a_crash_before_the_name_leaves_nothing_under_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path], object]
) -> None:
    class Killed(BaseException):
        pass

    def killed(handle: int) -> None:
        raise Killed

    monkeypatch.setattr(os, "fsync", killed)
    with pytest.raises(Killed):
        write(tmp_path / "file")
    assert not (tmp_path / "file").exists()


def test_a_failed_write_leaves_the_earlier_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    replace_file(path, b"old")

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="full"):
        replace_file(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o755])
def test_the_mode_is_the_one_asked_for_whatever_the_umask(tmp_path: Path, mode: int) -> None:
    before = os.umask(0o077)
    try:
        for write in (replace_file, create_file):
            write(tmp_path / write.__name__, b"x", mode=mode)
            assert stat.S_IMODE((tmp_path / write.__name__).stat().st_mode) == mode
    finally:
        os.umask(before)


def test_nothing_is_created_in_anothers_place(tmp_path: Path) -> None:
    (tmp_path / "there").write_bytes(b"old")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    for name in ("there", "dangling"):
        with pytest.raises(FileExistsError):
            create_file(tmp_path / name, b"new")
    assert (tmp_path / "there").read_bytes() == b"old"
    assert {path.name for path in tmp_path.iterdir()} == {"there", "dangling"}


def test_a_stick_without_hard_links_takes_files_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", none)
    create_file(tmp_path / "file", b"new")
    with pytest.raises(FileExistsError):
        create_file(tmp_path / "file", b"newer")
    assert (tmp_path / "file").read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
