"""Recall from the audit what an index that was lost alone knew: what was tagged by hand, sealed, or released.

Tags that are written down elsewhere (attributes, ``.haechi.yaml``, the policy's rules) are found by the scan. What
neither knows stays lost: a tag that came from an attribute which is gone, a name that a tagged file was renamed to and
changed under, and the blocks of ciphertext (it is recognised as sealed when it is uploaded whole).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from haechi.domain.errors import HaechiError
from haechi.domain.tags import Tag, merge_tags
from haechi.ports.protection import Known

KINDS = ("tag", "sealed", "release")
"""Of the records that count here."""

_SPELLED = re.compile(r"\\u(dc[89a-f][0-9a-f])")

ReadTags = Callable[[Sequence[Mapping[str, Any]]], tuple[Tag, ...]]
"""The inverse of ``Tag.as_json``, for a list. Raises ``HaechiError``."""


@dataclass(slots=True)
class Recalled:
    """What the records say in the end: contents, and the names that were tagged."""

    contents: dict[str, Known] = field(default_factory=dict)
    names: dict[str, tuple[str, tuple[Tag, ...]]] = field(default_factory=dict)
    """Digest and tags by path."""
    skipped: int = 0
    """Records that could not be understood."""


def recalled(events: Iterable[Mapping[str, Any]], read_tags: ReadTags) -> Recalled:
    """Go through the records, oldest first."""
    found = Recalled()
    for event in events:
        try:
            match event.get("kind"):
                case "tag":
                    _tagged(found, event, read_tags)
                case "sealed":
                    digest, name = str(event["sealed"]), str(event["name"])
                    found.contents[digest] = Known(digest, int(event["size"]), name, read_tags(event["tags"]), True)
                case "release":
                    _released(found, event, read_tags)
        except (KeyError, TypeError, ValueError, AttributeError, HaechiError):
            found.skipped += 1
    return found


def _tagged(found: Recalled, event: Mapping[str, Any], read_tags: ReadTags) -> None:
    for file in event["files"]:
        path, digest, tags = str(file["path"]), str(file["digest"]), read_tags(file["tags"])
        if digest:
            before = found.contents.get(digest)
            tags = merge_tags([*tags, *(before.tags if before else ())])
            found.contents[digest] = Known(digest, int(file["size"]), path, tags, False)
        found.names[_unspelled(path)] = (digest, tags)


def _unspelled(path: str) -> str:
    """A record spells out the bytes of a name that are no text; the file has the bytes."""
    return _SPELLED.sub(lambda found: chr(int(found[1], 16)), path)


def _released(found: Recalled, event: Mapping[str, Any], read_tags: ReadTags) -> None:
    digest, path, after = str(event["digest"]), _unspelled(str(event["path"])), read_tags(event["after"])
    known = found.contents.pop(digest, None)
    if known is not None and after:
        found.contents[digest] = Known(digest, known.size, known.name, after, known.sealed)
    for name in [name for name, (held, _) in found.names.items() if held == digest or name == path]:
        if after:
            found.names[name] = (digest, after)
        else:
            del found.names[name]
