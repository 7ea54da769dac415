"""Files that a person tags: the attribute on them, and who learns of them: the agent, or the next one that starts."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from haechi.domain.errors import HaechiError

if TYPE_CHECKING:
    from haechi.domain.tags import Tag

ATTENTION = 600
"""Seconds without a word from the agent while it reads large files."""


def _told(
    names: Sequence[Path], arguments: Mapping[str, Any], advance: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    """Hand the files to the agent, open, some at a time: what a person may not read, that person cannot tag.

    ``advance`` is told the bytes that were read; of how far one file is nothing is known.
    """
    from haechi.inbound.control.client import call
    from haechi.inbound.control.protocol import MAX_FILES

    result: dict[str, Any] = {"files": [], "count": 0, "unreadable": [], "problems": [], "indexed": True}
    sizes = [_size(name) for name in names]
    for at in range(0, len(names), MAX_FILES):
        some = names[at : at + MAX_FILES]
        if at:
            advance({"done": sum(sizes[:at]), "total": sum(sizes), "unit": "bytes"})
        with contextlib.ExitStack() as stack:
            opened: dict[str, int] = {}
            for name in some:
                real = os.path.realpath(name)
                try:
                    opened[real] = os.open(real, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
                except OSError as error:
                    result["unreadable"].append({"path": real, "cause": error.strerror or "", "tags": []})
                else:
                    stack.callback(os.close, opened[real])
            if not opened:
                continue
            asked = {**arguments, "paths": list(opened)}
            said = call("tags.index", asked, timeout=ATTENTION, files=list(opened.values()))
        for part in ("files", "count", "unreadable", "problems"):
            result[part] += said[part]
    return result


def told_or_kept(
    names: Sequence[Path], arguments: Mapping[str, Any], wanted: Tag, advance: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    """Hand the files to the agent; where none runs, keep their names for the next one, and say so by raising
    ``control.not-running``.

    Raises ``HaechiError('tag.not-kept')`` where they cannot be kept and no scan would lead to one of them.
    """
    from haechi.outbound.index.excluding import excluding
    from haechi.outbound.index.pending import PendingNames
    from haechi.settings import load

    try:
        return _told(names, arguments, advance)
    except HaechiError as error:
        if error.code != "control.not-running":
            raise
    settings, real = load(), [os.path.realpath(name) for name in names]
    try:
        settings.paths.state.mkdir(mode=0o700, parents=True, exist_ok=True)
        PendingNames(settings.paths.pending).add(real, wanted)
    except OSError as error:
        excluded, roots = excluding(settings.watch.exclude), [os.path.realpath(root) for root in settings.watch_roots]
        for name in real:
            inside = any(name.startswith(root.rstrip("/") + "/") for root in roots)
            if not inside or any(excluded(str(above)) for above in Path(name).parents):
                raise HaechiError("tag.not-kept", path=name, reason=error.strerror or "") from error
    return _told(names, arguments, advance)  # one that started meanwhile may have looked before the names were kept


def _size(name: Path) -> int:
    try:
        return name.stat().st_size
    except OSError:  # it is told when it cannot be opened
        return 0


def mark(attribute: Any, names: Sequence[Path], wanted: Tag) -> list[dict[str, Any]]:
    """Write the tag on each file; what could not be written is said, not fatal: the agent remembers."""
    from haechi.domain.tags import merge_tags

    notes: list[dict[str, Any]] = []
    for name in names:
        try:
            attribute.write(str(name), merge_tags([wanted, *attribute.read(str(name)).tags]))
        except HaechiError as error:
            notes.append({"code": error.code, "params": error.params})
        except OSError:
            notes.append({"code": "tag.not-permitted", "params": {"path": str(name)}})
    return notes
