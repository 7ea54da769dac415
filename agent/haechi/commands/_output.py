"""A new file that appears whole or not at all.

It is nameless until it is complete, so that even a killed command leaves nothing behind.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from haechi.domain.errors import HaechiError

UNSUPPORTED = (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOSYS)
"""How file systems without ``O_TMPFILE`` answer (NFS, FAT, older overlays)."""


class NewFile:
    """An open file, mode 0600, that gets its name with ``commit``. ``descriptor`` is open for writing and reading."""

    def __init__(self, folder: int, target: Path, descriptor: int, hidden: str) -> None:
        self._folder = folder
        self._target = target
        self._hidden = hidden
        self.descriptor = descriptor

    def commit(self, *, replace: bool) -> None:
        """Give it its name. Raises ``HaechiError('seal.exists')`` where somebody else took it meanwhile."""
        os.fsync(self.descriptor)
        if not self._hidden:
            self._hidden = f".{self._target.name[:80]}.{secrets.token_hex(4)}"
            # Only linkat with a folder of its own follows the link in /proc to a file without a name.
            source = f"/proc/self/fd/{self.descriptor}"
            os.link(source, self._hidden, dst_dir_fd=self._folder, follow_symlinks=True)
        try:
            if replace:
                os.replace(self._hidden, self._target.name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
                self._hidden = ""
            else:
                os.link(self._hidden, self._target.name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
        except FileExistsError as error:
            raise HaechiError("seal.exists", name=str(self._target)) from error
        finally:
            self.discard()
        os.fsync(self._folder)

    def discard(self) -> None:
        """Take the working name away, if it has one."""
        if self._hidden:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._hidden, dir_fd=self._folder)
            self._hidden = ""


@contextlib.contextmanager
def new_file(target: Path, *, replace: bool) -> Iterator[NewFile]:
    """Open a new file that will be called ``target``. Without ``commit`` nothing remains of it.

    Raises ``HaechiError``: ``seal.exists``, ``seal.unopened``, ``seal.no-space``, ``seal.io``.
    """
    if target.exists() and not replace:
        raise HaechiError("seal.exists", name=str(target))
    try:
        folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise HaechiError("seal.unopened", name=str(target.parent), reason=error.strerror or "") from error
    try:
        hidden = ""
        try:
            descriptor = os.open(".", os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600, dir_fd=folder)
        except OSError as error:
            if error.errno not in UNSUPPORTED:
                raise
            hidden = f".{target.name[:80]}.{secrets.token_hex(4)}"
            descriptor = os.open(hidden, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600, dir_fd=folder)
        made = NewFile(folder, target, descriptor, hidden)
        try:
            yield made
        finally:
            made.discard()
            os.close(descriptor)
    except OSError as error:
        code = "seal.no-space" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "seal.io"
        raise HaechiError(code, name=str(target), reason=error.strerror or "") from error
    finally:
        os.close(folder)
