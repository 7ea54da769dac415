"""Tags that the policies give to files by name: a list of ``{glob, technology, grade, …}``.

A glob is written as in ``.gitignore``, relative to the root of the file system (``/data/fab/**/*.gds``, ``*.gds``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from haechi.domain.catalogue import Catalogue
from haechi.domain.errors import HaechiError
from haechi.domain.tags import Tag, TagOrigin, merge_tags
from haechi.outbound.tags.entry import read_entry
from haechi.outbound.tags.folder import Rule, rule_for
from haechi.ports.tags import TagReading


@dataclass(frozen=True, slots=True)
class TagRule:
    """One rule of the bundle."""

    glob: str
    tag: Tag


class PolicyTags:
    """The rules of the bundle in force."""

    def __init__(self, rules: Iterable[TagRule] = ()) -> None:
        self._rules: tuple[Rule, ...] = tuple(self._compiled(rule) for rule in rules)

    @classmethod
    def from_data(cls, entries: Iterable[Mapping[str, object]], catalogue: Catalogue) -> PolicyTags:
        """Rules from plain data. Raises ``HaechiError('tag.bad-policy-rule')``: a signed bundle has no excuse."""
        rules = []
        for entry in entries:
            said = entry.get("tag", entry)
            tag, problems = read_entry(said, catalogue, TagOrigin.POLICY, "policy")
            glob = entry.get("glob")
            if problems or not isinstance(glob, str):
                raise HaechiError("tag.bad-policy-rule", rule=str(dict(entry)))
            rules.append(TagRule(glob, tag))
        return cls(rules)

    @staticmethod
    def _compiled(rule: TagRule) -> Rule:
        compiled = rule_for([rule.glob], rule.tag)
        if compiled is None:
            raise HaechiError("tag.bad-policy-rule", rule=rule.glob)
        return compiled

    def read(self, path: str) -> TagReading:
        """The tags that the bundle gives to a file, by its name."""
        if not self._rules:
            return TagReading()
        relative = path.lstrip("/")
        return TagReading(merge_tags(rule.tag for rule in self._rules if rule.patterns.match(relative)))
