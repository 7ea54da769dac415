"""What stands for which requirement: ``clauses.yaml``, strictly by its form, and whether it says what the rules say.

For people alone: security officers, auditors, the pages and ``haechi policy coverage``. No verdict rests on it.
Must not know: engines, commands.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Literal

import msgspec
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from haechi.domain.errors import HaechiError
from haechi.outbound.engine.folder import PolicyFolder
from haechi.outbound.engine.texts import CLAUSES

NO_DOCUMENT = "haechi"
"""What rules cite that no document asks for."""


class How(StrEnum):
    """How a part of a requirement is covered."""

    AUTOMATED = "automated"
    """A rule judges it from facts."""
    ATTESTED = "attested"
    """A rule asks for a dated statement: its presence, force and age, never its truth."""
    OUT_OF_REACH = "out_of_reach"
    """Nothing here sees it."""


class Told(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A text in both languages."""

    ko: Annotated[str, msgspec.Meta(min_length=1)]
    en: Annotated[str, msgspec.Meta(min_length=1)]

    def of(self, lang: str) -> str:
        """The text in a language; English where there is no other."""
        return self.ko if lang == "ko" else self.en


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part of a requirement. ``why`` says why something is out of reach, ``subjects`` what is to be stated."""

    how: How
    what: Told
    rules: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    why: Told | None = None

    def __post_init__(self) -> None:
        if (self.how is How.OUT_OF_REACH) != (not self.rules):
            raise ValueError("what is automated or attested names its rules, and only that")
        if (self.how is How.ATTESTED) != bool(self.subjects):
            raise ValueError("what is attested names its subjects, and only that")
        if (self.how is How.OUT_OF_REACH) != (self.why is not None):
            raise ValueError("what is out of reach says why, and only that")


class Clause(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One requirement. ``certainty`` is the source's (Q, S, I), ``whose`` who decides where no source does."""

    title: Told
    source: Told
    certainty: Literal["Q", "S", "I"]
    whose: Literal["statute", "guidebook", "institution", "project"]
    parts: Annotated[tuple[Part, ...], msgspec.Meta(min_length=1)]
    note: Told | None = None

    @property
    def rules(self) -> frozenset[str]:
        """Every rule that stands for a part of it."""
        return frozenset(rule for part in self.parts for rule in part.rules)

    @property
    def hows(self) -> tuple[How, ...]:
        """In which ways it is covered, the strongest first."""
        found = {part.how for part in self.parts}
        return tuple(how for how in How if how in found)


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    schema: Literal["haechi.clauses/1"]
    clauses: dict[str, Clause]


@dataclass(frozen=True, slots=True)
class Coverage:
    """All requirements by their id, in the file's order."""

    clauses: Mapping[str, Clause]

    @property
    def subjects(self) -> frozenset[str]:
        """Everything that statements are asked for."""
        return frozenset(s for clause in self.clauses.values() for part in clause.parts for s in part.subjects)

    def counted(self) -> Mapping[How, int]:
        """How many requirements are covered in each way; one that has several counts in each."""
        return {how: sum(how in clause.hows for clause in self.clauses.values()) for how in How}


def coverage(policies: PolicyFolder) -> Coverage:
    """What the folder's ``clauses.yaml`` says; nothing where there is none. Raises ``policy.invalid``."""
    text = dict(policies.texts).get(CLAUSES)
    if text is None:
        return Coverage({})
    try:
        return Coverage(msgspec.convert(YAML(typ="safe", pure=True).load(text), _File).clauses)
    except (YAMLError, ValueError, RecursionError, msgspec.MsgspecError) as error:
        raise HaechiError("policy.invalid", file=CLAUSES, why=" ".join(str(error).split())) from error


def disagreements(policies: PolicyFolder, said: Coverage) -> Iterator[tuple[str, str]]:
    """Where clauses and rules do not say the same: pairs of a rule and a requirement, of which one does not name the
    other.
    """
    listed = {(rule, name) for name, clause in said.clauses.items() for rule in clause.rules}
    cited = {
        (rule.id, name)
        for rule in policies.rules.values()
        for name in (rule.requirement, *rule.also)
        if name != NO_DOCUMENT
    }
    yield from sorted(listed ^ cited)
