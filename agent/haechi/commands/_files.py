"""Open a person's file so that the agent can read it: the descriptor is handed over, the path is only a name."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from haechi.domain.errors import HaechiError


@contextlib.contextmanager
def opened(file: Path) -> Iterator[int]:
    """A regular file, open for reading. A pipe is not waited for. Raises ``seal.unopened``, ``seal.not-a-file``."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise HaechiError("seal.unopened", name=str(file), reason=error.strerror or "") from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise HaechiError("seal.not-a-file", name=str(file))
        yield descriptor
    finally:
        os.close(descriptor)
