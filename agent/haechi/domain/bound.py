"""What a permit is bound to: one object, and the exact bytes of one file, whole or cut into the parts of an upload.

Must not know: permits, rules, files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote

from haechi.domain.facts import JSON, Known, Unknown
from haechi.domain.upload import Action, ActionKind, Framing, Location


@dataclass(frozen=True, slots=True)
class Place:
    """One object, by all that makes it another one. ``store`` as of ``Location``; ``account`` owns the container, and
    is empty where that could not be read: what was approved so holds only where it still cannot be.
    """

    provider: str
    store: str
    account: str
    container: str
    key: str

    @classmethod
    def of(cls, location: Location, account: Known[str]) -> Place:
        """The place of a location, with its owner as it is known now."""
        owner = "" if isinstance(account, Unknown) else account
        return cls(location.provider, location.store, owner, location.container, location.key)

    def names(self, location: Location) -> bool:
        """Whether a location may be this place: all but the owner, which it does not tell."""
        return (self.provider, self.store, self.container, self.key) == (
            location.provider,
            location.store,
            location.container,
            location.key,
        )

    def as_json(self) -> dict[str, JSON]:
        """The form used in the audit, in answers, and in what is signed."""
        return {
            "provider": self.provider,
            "store": self.store,
            "account": self.account,
            "container": self.container,
            "key": self.key,
        }


def use_of(location: Location, upload: str) -> str:
    """The one use that all parts of an upload share; no two uploads have the same."""
    names = (location.provider, location.store, location.container, location.key, upload)
    return "/".join(quote(name, safe="", errors="surrogatepass") for name in names)


@dataclass(frozen=True, slots=True)
class Cut:
    """A file as clients cut it for a multipart upload: by the size of a part, in bytes, the digests of all its parts in
    order. A size of which the file makes one part alone is left out: that part is the file.
    """

    digest: str
    parts: Mapping[int, tuple[str, ...]]

    def has(self, number: int, digest: str) -> bool:
        """Whether a part, numbered from 1, is one of this file's; with 0, whichever."""
        if not number:
            return digest == self.digest or any(digest in cut for cut in self.parts.values())
        return (number == 1 and digest == self.digest) or any(
            0 < number <= len(cut) and cut[number - 1] == digest for cut in self.parts.values()
        )

    def made_of(self, pieces: Sequence[tuple[int, str]]) -> bool:
        """Whether these parts, joined in this order, are the file: nothing is missing, and nothing besides."""
        numbers, digests = tuple(number for number, _ in pieces), tuple(digest for _, digest in pieces)
        whole = digests == (self.digest,) or digests in self.parts.values()
        return whole and numbers == tuple(range(1, len(numbers) + 1))


class How(StrEnum):
    """How content travels."""

    WHOLE = "whole"
    """The object's bytes and nothing besides, in this request or in the parts that it joins."""
    PART = "part"
    """A part of an object that is completed later, by its number or by a name."""
    MIXED = "mixed"
    """With other bytes, or out of sight: a form, related parts, an append, a copy at the store."""


@dataclass(frozen=True, slots=True)
class Travels:
    """How the content of a request travels; ``number`` is of a part, 0 where it has but a name: the list tells its
    place.
    """

    how: How
    number: int = 0

    @classmethod
    def of(cls, action: Action) -> Travels:
        """What an action tells."""
        assembly, mixed = action.assembly, cls(How.MIXED)
        if action.kind is ActionKind.ASSEMBLE:
            return cls(How.WHOLE)
        if action.kind is not ActionKind.UPLOAD or action.body.framing in (Framing.FORM, Framing.RELATED):
            return mixed
        if assembly is None or assembly.begins:
            return cls(How.WHOLE)
        if assembly.name:
            return cls(How.PART)
        return mixed if assembly.grows or assembly.part is None else cls(How.PART, assembly.part)
