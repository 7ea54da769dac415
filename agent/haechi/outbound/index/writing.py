"""How tags are written in the index and in attributes, and read back: JSON, with nothing left out."""

from __future__ import annotations

import datetime as dt
import functools
import json

from haechi.domain.errors import HaechiError
from haechi.domain.tags import Funding, Grade, Tag, TagOrigin


@functools.lru_cache(maxsize=4096)
def write_tags(tags: tuple[Tag, ...]) -> str:
    """One text for one set of tags."""
    return json.dumps([tag.as_json() for tag in tags], ensure_ascii=False, sort_keys=True, separators=(",", ":"))


@functools.lru_cache(maxsize=4096)
def read_tags(text: str) -> tuple[Tag, ...]:
    """The tags of a text that ``write_tags`` wrote. Raises ``HaechiError('tag.malformed')``."""
    try:
        return tuple(
            Tag(
                entry["technology"],
                Grade(entry["grade"]),
                Funding(entry.get("funding") or "unknown"),
                str(entry.get("owner") or ""),
                dt.datetime.fromisoformat(entry["marked_at"]) if entry.get("marked_at") else None,
                TagOrigin(entry.get("origin") or "attribute"),
            )
            for entry in json.loads(text)
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise HaechiError("tag.malformed", cause=type(error).__name__) from error
