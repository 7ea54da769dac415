"""Where tags are written: on the file, in its folders, in the policy bundle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from haechi.domain.tags import Tag


@dataclass(frozen=True, slots=True)
class Problem:
    """Something about a tag that a person should mend: a code of ``words/tags.yaml`` with its parameters."""

    code: str
    params: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class TagReading:
    """The tags that are written for one file now, merged, and what is wrong with them."""

    tags: tuple[Tag, ...] = ()
    problems: tuple[Problem, ...] = ()


class TagSources(Protocol):
    """Reads every place where a tag may be written. Never raises for what is written wrongly: that is a problem, and a
    tag that cannot be read counts as material that waits for determination, not as no tag.
    """

    def read(self, path: str) -> TagReading:
        """The tags of one file, of which only its name and attributes are looked at. Raises ``OSError``."""

    def by_name(self, path: str) -> TagReading:
        """The tags of a file whose attributes cannot be read: what folders and policy say of its name."""

    def refresh(self) -> None:
        """Read folder rules anew from now on."""
