"""Tags in the extended attribute ``user.haechi.tag`` of a file, which follows it through renames and within one disk.

The attribute is JSON: ``{"version": 1, "tags": [{"technology": …, "grade": …, "funding": …, "owner": …, "marked_at":
…}]}``.
"""

from __future__ import annotations

import errno
import json
import os

from haechi.domain.catalogue import Catalogue
from haechi.domain.errors import HaechiError
from haechi.domain.tags import Tag, TagOrigin, merge_tags
from haechi.outbound.tags.entry import pending, read_entry
from haechi.ports.tags import Problem, TagReading

ATTRIBUTE = "user.haechi.tag"
VERSION = 1
_ABSENT = (errno.ENODATA, errno.ENOTSUP, errno.EOPNOTSUPP)
_REMEMBERED = 4096


def attribute_text(tags: tuple[Tag, ...]) -> str:
    """The attribute's value for these tags."""
    return json.dumps({"version": VERSION, "tags": [tag.as_json() for tag in tags]}, ensure_ascii=False)


class AttributeTags:
    """Reads and writes the attribute."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._parsed: dict[bytes, TagReading] = {}

    def read(self, path: str) -> TagReading:
        """The tags on the file itself; a link is followed. Raises ``OSError`` when the file cannot be asked."""
        try:
            raw = os.getxattr(path, ATTRIBUTE)
        except OSError as error:
            if error.errno in _ABSENT:
                return TagReading()
            raise
        known = self._parsed.get(raw)
        if known is None:
            if len(self._parsed) >= _REMEMBERED:
                self._parsed = {}
            known = self._parsed[raw] = self._parse(raw, path)
        return known

    def _parse(self, raw: bytes, path: str) -> TagReading:
        try:
            said = json.loads(raw)
            entries = said["tags"]
            if said["version"] != VERSION or not isinstance(entries, list) or not entries:
                raise ValueError("version")  # noqa: TRY301 - one way out for all that is malformed
        except (ValueError, KeyError, TypeError, RecursionError):
            return TagReading((pending(TagOrigin.ATTRIBUTE),), (Problem("tag.malformed-at", {"where": path}),))
        read = [read_entry(entry, self._catalogue, TagOrigin.ATTRIBUTE, path) for entry in entries]
        return TagReading(merge_tags(tag for tag, _ in read), tuple(problem for _, found in read for problem in found))

    def write(self, path: str, tags: tuple[Tag, ...]) -> None:
        """Write the tags on the file, as its owner; none at all removes the attribute.

        Raises ``HaechiError``: ``tag.no-attributes`` (the file system keeps none), ``tag.not-permitted``,
        ``tag.no-file``.
        """
        try:
            if tags:
                os.setxattr(path, ATTRIBUTE, attribute_text(tags).encode())
            else:
                try:
                    os.removexattr(path, ATTRIBUTE)
                except OSError as error:
                    if error.errno not in _ABSENT:
                        raise
        except FileNotFoundError as error:
            raise HaechiError("tag.no-file", path=path) from error
        except PermissionError as error:
            raise HaechiError("tag.not-permitted", path=path) from error
        except OSError as error:
            raise HaechiError("tag.no-attributes", path=path, cause=os.strerror(error.errno or 0)) from error
