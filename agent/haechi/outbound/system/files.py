"""Folders and files as root makes them: whole or not at all, with the mode and owner that were asked for."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from haechi.domain.errors import HaechiError
from haechi.durable import replace_file

MAX_READ = 1 << 20


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    """What the kernel refused, as an error with words."""
    try:
        yield
    except (OSError, KeyError, shutil.Error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise HaechiError("install.file-failed", path=str(path), reason=reason) from error


def _ids(owner: str) -> tuple[int, int]:
    entry = pwd.getpwnam(owner)
    return entry.pw_uid, entry.pw_gid


class Files:
    """The real file system."""

    def exists(self, path: Path) -> bool:
        """Anything there, a dangling link included."""
        return os.path.lexists(path)

    def children(self, path: Path) -> tuple[Path, ...]:
        """What a folder holds; nothing where there is no folder."""
        with _named(path):
            return tuple(sorted(path.iterdir())) if path.is_dir() else ()

    def read(self, path: Path) -> bytes | None:
        """Up to 1 MiB; None where there is no regular file."""
        with _named(path):
            try:
                # Not through a link: the service user owns the folder that a root certificate is read from.
                descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            except FileNotFoundError:
                return None
            with os.fdopen(descriptor, "rb") as file:
                return file.read(MAX_READ) if stat.S_ISREG(os.fstat(descriptor).st_mode) else None

    def folder_is(self, path: Path, mode: int, owner: str) -> bool:
        """Whether the folder exists with that mode and owner."""
        try:
            about = path.lstat()
            return (
                stat.S_ISDIR(about.st_mode) and stat.S_IMODE(about.st_mode) == mode and about.st_uid == _ids(owner)[0]
            )
        except (OSError, KeyError):
            return False

    def make_folder(self, path: Path, mode: int, owner: str) -> None:
        """Make it or correct it. Never through a link."""
        with _named(path):
            if not path.exists():
                path.mkdir(parents=True)
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                os.fchown(descriptor, *_ids(owner))
                os.fchmod(descriptor, mode)
            finally:
                os.close(descriptor)

    def write(self, path: Path, data: bytes, mode: int) -> None:
        """Replace a file whole; it belongs to root."""
        with _named(path):
            replace_file(path, data, mode=mode)

    def copy_folder(self, source: Path, target: Path) -> None:
        """A copy that belongs to root, writable by nobody else. Links are followed: it depends on nothing outside.

        What others may not read there, such as credentials, only root reads here (the service by its capability).
        """
        with _named(target):
            shutil.copytree(source, target, dirs_exist_ok=True, copy_function=_copy)
            own(target, closed=True)

    def link(self, path: Path, target: Path) -> None:
        """Make or replace a link; raises ``install.in-the-way`` where something else stands."""
        with _named(path):
            if os.path.lexists(path) and not path.is_symlink():
                raise HaechiError("install.in-the-way", path=str(path))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            path.symlink_to(target)

    def remove(self, path: Path) -> None:
        """A file, link or whole folder; nothing there is no fault."""
        with _named(path):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    def hand_to_root(self, path: Path) -> None:
        """For evidence that outlives the service user: its number may become another's."""
        with _named(path):
            own(path, folders=0o700, files=0o600)


def own(top: Path, folders: int = 0o755, files: int | None = None, *, closed: bool = False) -> None:
    """Give a tree to root. ``files`` None: 0755 where executable, else 0644; with ``closed``, 0600 where others may not
    read. Links in it are left as they are.
    """
    for folder, _, names in os.walk(top):
        os.chown(folder, 0, 0)
        Path(folder).chmod(folders)
        for name in names:
            path = Path(folder, name)
            if path.is_symlink():
                continue
            os.chown(path, 0, 0)
            path.chmod(files if files is not None else _mode(path.stat().st_mode, closed=closed))


def _mode(now: int, *, closed: bool) -> int:
    if closed and not now & stat.S_IROTH:
        return 0o600
    return 0o755 if now & 0o111 else 0o644


def _copy(source: str, target: str) -> None:
    """Contents, and whether others may read them: no moment in which they may and should not."""
    mode = 0o644 if Path(source).stat().st_mode & stat.S_IROTH else 0o600
    Path(target).unlink(missing_ok=True)
    made = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with Path(source).open("rb") as reading, os.fdopen(made, "wb") as out:
        shutil.copyfileobj(reading, out)
        os.fchmod(made, mode)
