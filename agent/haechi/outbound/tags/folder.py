"""Tags for the files of a folder and all below it, from a ``.haechi.yaml`` in it.

    tags:
      - files: "*.gds"          # or a list; patterns as in .gitignore, relative to this folder
        technology: SEM-01
        grade: A
        funding: government     # optional
        owner: design-team      # optional

Everything that applies to a file is merged, from the nearest folder to the farthest, so a nearer file can only
tighten; one that
tries to loosen is a problem to report. A file that cannot be read or understood is reported too, and covers all below
it.
"""

# Names are plain strings here: millions pass, and an object for each would cost more than the work on it.
# ruff: noqa: PTH118, PTH120

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer, ComposerError
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import AliasEvent

from haechi.domain.catalogue import Catalogue
from haechi.domain.tags import Tag, TagOrigin, merge_tags
from haechi.outbound.tags.entry import pending, read_entry, shown
from haechi.outbound.tags.patterns import EVERYTHING, Patterns
from haechi.ports.tags import Problem, TagReading

FILE_NAME = ".haechi.yaml"
_LARGEST = 256 << 10
"""Bytes of one file: to parse them takes seconds."""
MOST_PATTERNS = 1000
"""Patterns in one file: each is asked about every file below."""
_KEYS = {"files", "technology", "grade", "funding", "owner", "marked_at"}


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry: which files, which tag."""

    patterns: Patterns
    tag: Tag


@dataclass(frozen=True, slots=True)
class _Folder:
    """The rules of one folder."""

    path: str
    rules: tuple[Rule, ...] = ()
    problems: tuple[Problem, ...] = ()


class FolderTags:
    """Reads ``.haechi.yaml`` files; remembers them until ``refresh``."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._chains: dict[str, tuple[_Folder, ...]] = {}

    def refresh(self) -> None:
        """Read every file anew from now on."""
        self._chains = {}

    def read(self, path: str) -> TagReading:
        """The tags that folders give to a file, by its name."""
        folder, name = os.path.split(path)
        if name == FILE_NAME:
            return TagReading()
        chain = self._chain(folder)
        if not chain:
            return TagReading()
        tags: list[Tag] = []
        problems: list[Problem] = []
        for above in chain:  # farthest first
            problems += above.problems
            relative = path[len(above.path.rstrip("/")) + 1 :]
            here = [rule.tag for rule in above.rules if rule.patterns.match(relative)]
            known = {tag.technology: tag for tag in tags}
            for tag in here:
                earlier = known.get(tag.technology)
                if earlier is not None and tag.loosens(earlier):
                    where = os.path.join(above.path, FILE_NAME)
                    problems.append(Problem("tag.folder-loosens", {"where": where, "technology": tag.technology}))
            tags += here
        return TagReading(merge_tags(tags), tuple(problems))

    def _chain(self, folder: str) -> tuple[_Folder, ...]:
        way: list[str] = []  # no recursion: anybody may make folders a thousand deep
        while (known := self._chains.get(folder)) is None:
            way.append(folder)
            parent = os.path.dirname(folder)
            if parent == folder:
                known = ()
                break
            folder = parent
        for below in reversed(way):
            here = self._load(below)
            if here.rules or here.problems:
                known = (*known, here)
            self._chains[below] = known
        return known

    def _load(self, folder: str) -> _Folder:
        where = os.path.join(folder, FILE_NAME)
        try:
            text = _text(where)
            if len(text) > _LARGEST:
                raise ValueError("too large")  # noqa: TRY301 - one way out for all that is not understood
            said = _parsed(text)
        except (FileNotFoundError, NotADirectoryError):
            return _Folder(folder)
        except OSError as error:
            return self._unclear(
                folder, Problem("tag.folder-unreadable", {"where": where, "cause": str(error.strerror)})
            )
        except (YAMLError, ValueError, RecursionError, LookupError, TypeError, AttributeError):  # its author is anyone
            return self._unclear(folder, Problem("tag.malformed-at", {"where": where}))
        entries = said.get("tags") if isinstance(said, Mapping) else None
        if not isinstance(entries, list):
            return self._unclear(folder, Problem("tag.malformed-at", {"where": where}))
        if sum(_patterns_in(entry) for entry in entries) > MOST_PATTERNS:
            return self._unclear(folder, Problem("tag.malformed-at", {"where": where}))
        rules: list[Rule] = []
        problems: list[Problem] = []
        for entry in entries:
            tag, found = read_entry(entry, self._catalogue, TagOrigin.FOLDER, where)
            problems += found
            given = entry if isinstance(entry, Mapping) else {}
            problems += [Problem("tag.unknown-key", {"where": where, "key": shown(key)}) for key in set(given) - _KEYS]
            patterns = given.get("files")
            listed = [patterns] if isinstance(patterns, str) else patterns
            rule = rule_for(listed, tag)
            if rule is None:
                problems.append(Problem("tag.malformed-at", {"where": where}))
                rule = Rule(EVERYTHING, tag)
            rules.append(rule)
        return _Folder(folder, tuple(rules), tuple(problems))

    @staticmethod
    def _unclear(folder: str, problem: Problem) -> _Folder:
        """Somebody wanted something protected here: until it can be read, all of it waits for determination."""
        everything = Rule(EVERYTHING, pending(TagOrigin.FOLDER))
        return _Folder(folder, (everything,), (problem,))


class _NoAliases(Composer):
    """An alias may stand for others, and a few lines of them for more than memory holds."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        """One node. Raises ``ComposerError`` for an alias."""
        if self.parser.check_event(AliasEvent):
            raise ComposerError(None, None, "an alias", self.parser.peek_event().start_mark)
        return super().compose_node(parent, index)


def _parsed(text: bytes) -> object:
    yaml = YAML(typ="safe", pure=True)
    yaml.Composer = _NoAliases
    return yaml.load(text)


def _text(path: str) -> bytes:
    """What the file says; one byte more than may be tells that it is too large. A pipe is not waited for."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(file, "rb") as opened:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), path)
        return opened.read(_LARGEST + 1)


def _patterns_in(entry: object) -> int:
    listed = entry.get("files") if isinstance(entry, Mapping) else None
    return len(listed) if isinstance(listed, list) else 1


def rule_for(patterns: object, tag: Tag) -> Rule | None:
    """A rule from a list of patterns; None where they are not patterns. Exceptions (``!``) would loosen: not
    accepted.
    """
    if not isinstance(patterns, list) or not patterns:
        return None
    if not all(isinstance(pattern, str) for pattern in patterns):
        return None
    try:
        return Rule(Patterns(patterns), tag)
    except ValueError:
        return None
