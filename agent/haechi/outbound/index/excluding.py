"""Which folders a scan passes over: the patterns of the settings (``watch.exclude``), written as in ``.gitignore``."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pathspec


def excluding(patterns: Sequence[str]) -> Callable[[str], bool]:
    """A function that tells, for the path of a folder, whether all in it is passed over."""
    spec = pathspec.PathSpec.from_lines("gitignore", patterns, backend="simple")  # the only one that takes every name
    return lambda folder: spec.match_file(folder.lstrip("/") + "/") or spec.match_file(folder.lstrip("/") + "/any")
