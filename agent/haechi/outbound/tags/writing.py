"""Tags from the mappings that ``Tag.as_json`` makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from haechi.domain.catalogue import Catalogue, Technology
from haechi.domain.tags import Tag, TagOrigin
from haechi.outbound.tags.entry import read_entry


def tags_from(entries: Sequence[Mapping[str, Any]]) -> tuple[Tag, ...]:
    """The tags that an agent answered with; it has checked them against its own catalogue."""
    known = Catalogue(Technology(str(entry["technology"]), "", "") for entry in entries)
    return tuple(read_entry(entry, known, TagOrigin.ATTRIBUTE, "agent")[0] for entry in entries)
