"""How tags are written in the index and in attributes, and read back: JSON, with nothing left out."""

from __future__ import annotations

import functools
import json

from haechi.domain.errors import HaechiError
from haechi.domain.tags import Tag


@functools.lru_cache(maxsize=4096)
def write_tags(tags: tuple[Tag, ...]) -> str:
    """One text for one set of tags; ASCII, whatever characters an owner's name has."""
    return json.dumps([tag.as_json() for tag in tags], sort_keys=True, separators=(",", ":"))


@functools.lru_cache(maxsize=4096)
def read_tags(text: str) -> tuple[Tag, ...]:
    """The tags of a text that ``write_tags`` wrote. Raises ``HaechiError('tag.malformed')``."""
    try:
        return tuple(Tag.from_json(entry) for entry in json.loads(text))
    except (ValueError, TypeError) as error:
        raise HaechiError("tag.malformed", cause=type(error).__name__) from error
