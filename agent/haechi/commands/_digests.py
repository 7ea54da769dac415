"""A file named by its content, where a command asks for a digest."""

from __future__ import annotations

from pathlib import Path

from haechi.domain.errors import HaechiError

FILE = "file="
"""Stands before a path where a digest may be given by its file."""


def digest_of(path: str) -> str:
    """``blake3:<hex>`` of a file. Raises ``OSError``."""
    from blake3 import blake3

    digest = blake3()
    with Path(path).open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return f"blake3:{digest.hexdigest()}"


def digest_named(word: str) -> str:
    """The digest that a word gives: itself, or that of the file after ``file=``.

    Raises ``HaechiError('registry.no-file')``.
    """
    if not word.startswith(FILE):
        return word
    path = word.removeprefix(FILE)
    try:
        return digest_of(path)
    except OSError as error:
        raise HaechiError("registry.no-file", file=path, cause=error.strerror or "") from error
