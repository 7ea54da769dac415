"""How names of files are kept: as the bytes that they are. Not each is text: archives from Windows bring CP949."""

from __future__ import annotations

import os


def written(path: str) -> bytes:
    """The bytes of a path; ``os.fsdecode`` reads them back. What no file system gives (a lone surrogate that stands for
    no byte) is spelled out: it may be asked for, and is never found.
    """
    try:
        return os.fsencode(path)
    except UnicodeEncodeError:
        return spelled(path).encode()


def spelled(name: str) -> str:
    """A name to be shown: text, with what is none spelled out by its code."""
    return name if name.isascii() else name.encode("utf-8", "backslashreplace").decode()
