"""Small files that are whole or not there, also after a power cut.

Theory. Contents are written and synced under another name first, then they get their name in one step, then the folder
is synced: without that the name may be lost with the power, though the contents are safe. What a crash leaves behind is
a draft (``.<name>.…new``), which nobody reads. For files that fit into memory; knows nothing of what they mean.
"""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS)
"""What file systems without hard links say (a stick's FAT)."""


def replace_file(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Put ``data`` in the place of a file, or make it. Returns when that is durable; raises ``OSError``: the earlier
    file is untouched then, unless only the syncing of the folder failed.
    """
    with _draft(path, data, mode) as draft:
        draft.replace(path)
    sync_folder(path.parent)


def create_file(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Make a file that is not there yet. Returns when it is durable.

    Raises ``FileExistsError`` where there is one (a dangling link too), else ``OSError``: there is none then.
    """
    with _draft(path, data, mode) as draft:
        try:
            os.link(draft, path, follow_symlinks=False)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            _create_in_place(path, data, mode)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make new names in the folder durable. Raises ``OSError``."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system that knows no such thing (CIFS)
            raise
    finally:
        os.close(handle)


@contextlib.contextmanager
def _draft(path: Path, data: bytes, mode: int) -> Iterator[Path]:
    """The contents, synced, in a file beside ``path``; gone afterwards."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".new", dir=path.parent)
    draft = Path(name)
    try:
        _fill(handle, data, mode)
        yield draft
    finally:
        draft.unlink(missing_ok=True)


def _create_in_place(path: Path, data: bytes, mode: int) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        _fill(handle, data, mode)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _fill(handle: int, data: bytes, mode: int) -> None:
    with os.fdopen(handle, "wb") as file:
        if mode != 0o600:  # as it was made; not every file system lets a mode be set
            os.fchmod(handle, mode)
        file.write(data)
        file.flush()
        os.fsync(handle)
