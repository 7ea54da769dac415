"""What is known of objects: those being assembled from pieces, and those already stored."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from haechi.domain.content import Content, Match, MatchHow
from haechi.domain.destination import Destination
from haechi.domain.disclosure import Said
from haechi.domain.facts import Known, Unknown
from haechi.domain.upload import Assembly, ExposureChange, Location, RequestEncryption
from haechi.ports.index import Edges


@dataclass(frozen=True, slots=True)
class Piece:
    """One piece of an object under assembly, as it was seen on the wire. ``awaited``: the store has not said yet
    whether it took it.
    """

    part: int
    content: Content
    edges: Edges
    awaited: bool = False


@dataclass(frozen=True, slots=True)
class Around:
    """What matters of an object under assembly to one part of it.

    ``before`` and ``after`` are the neighbouring pieces, in order, each side until it holds as many bytes as were
    asked for or ends; ``reached`` tells that ``before`` holds as many. ``here`` is what was seen of the part itself.
    ``found`` is what was recognised, or could not be looked at, anywhere in the object, without sizes and digests.
    """

    found: tuple[Content, ...] = ()
    before: tuple[Piece, ...] = ()
    here: Piece | None = None
    after: tuple[Piece, ...] = ()
    reached: bool = False


@dataclass(frozen=True, slots=True)
class Called:
    """A piece that a completion calls by its name, in an assembly of its own. ``only``: no other bytes are remembered
    under that name, which a store that did not take these might join in their place.
    """

    assembly: Assembly
    piece: Piece
    only: bool


REPLACED = "part-replaced"
"""Noted on a piece that was sent again with other bytes, or given up: the store may have kept either."""


REFUSED = -1
"""The part under which what was recognised in refused pieces stands, where the store may have kept some of them."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What the request that begins an object asks for it."""

    encryption: RequestEncryption
    exposures: tuple[ExposureChange, ...] = ()
    content_encodings: tuple[str, ...] = ()
    said: tuple[Said, ...] = ()
    """Sensitive words of its tags and metadata, each as its own text: never the text in which it stood."""


class Assemblies(Protocol):
    """Pieces of objects under assembly, over connections and restarts of the agent."""

    def begun(self, place: Location, wish: Wish) -> None:
        """Remember what a beginning asked for."""

    def wishes(self, place: Location) -> frozenset[Wish]:
        """What every beginning there asked for, as far as it is remembered."""

    def numbered(self, place: Location, assembly: Assembly) -> Assembly:
        """With the numbers that are the ledger's to give: the part of a named piece, in an assembly of its own since
        the last completion, and the end of a growing object. ``part`` stays None where the object was not seen to be
        made or written to, and so may hold anything. What names nothing is unchanged.
        """

    def named(self, place: Location, assembly: Assembly) -> Sequence[Called] | None:
        """The pieces that ``assembly.names`` call, in that order, each the newest that was seen and with the assembly
        of its own; those in ``assembly.older`` the newest of what a completion joined. None where one was never seen.
        ``REPLACED`` where the newest is awaited and other bytes went under the same name before.
        """

    def remembers(self, place: Location, assembly: Assembly) -> bool:
        """Whether anything is remembered of the object."""

    def answered(self, place: Location, assembly: Assembly, piece: Piece, before: Piece | None, *, taken: bool) -> None:
        """The store ``took`` an awaited piece, or rejected it: then ``before`` still lies in its place, or nothing."""

    def renewing(self, place: Location, assembly: Assembly) -> float:
        """A request was let through that makes the growing object anew, without any bytes; the number that ``renewed``
        asks for. Until then nobody knows whether the object holds what it held.
        """

    def renewed(self, place: Location, assembly: Assembly, since: float, *, taken: bool) -> bool:
        """The store made the object anew, or did not. What was written meanwhile may lie there, before or behind: then
        the object is known no more, which is what is told.
        """

    def put(self, place: Location, assembly: Assembly, piece: Piece) -> None:
        """Remember a piece; the same part again replaces the earlier one, as stores do, but its matches stay."""

    def put_all(self, place: Location, assembly: Assembly, pieces: Sequence[Piece]) -> None:
        """Remember pieces that one request sent, all or none."""

    def pieces(self, place: Location, assembly: Assembly) -> tuple[Piece, ...]:
        """All pieces seen, ordered by part."""

    def around(self, place: Location, assembly: Assembly, reach: int) -> Around:
        """What matters to ``assembly.part``, with ``reach`` bytes of neighbours on both sides. Its cost does not grow
        with the number of parts.
        """

    def finished(self, place: Location, assembly: Assembly) -> None:
        """The object was let through to be completed: its pieces are needed once more at most."""

    def forget(self, place: Location, assembly: Assembly) -> None:
        """Somebody asked to give the object up. Its bytes go; what was recognised stays, and each piece counts as
        ``REPLACED``: whether the store gave it up is not known, and a piece that is sent again may be another.
        """


@dataclass(frozen=True, slots=True)
class LetThrough:
    """By whom and by which decision content was let through. ``user`` is empty where it is not known. ``digest`` is of
    the very bytes, where all were seen; ``facts`` what was known of the container then.
    """

    user: str = ""
    decision: str = ""
    digest: str = ""
    facts: Destination | None = None


@dataclass(frozen=True, slots=True)
class StoredObject:
    """What the ledger knows of one object. ``user`` is empty where several people wrote there, or nobody is known;
    ``since`` is when something was last let through to it. ``there`` is what the store said ``asked_at``, unknown where
    it was not asked since.
    """

    provider: str
    container: str
    key: str
    content: Content
    since: dt.datetime
    user: str = ""
    decision: str = ""
    there: Known[bool] = field(default_factory=lambda: Unknown("not-asked"))
    asked_at: dt.datetime | None = None

    @property
    def position(self) -> Position:
        """Where it stands in the order of the lists."""
        return self.provider, self.container, self.key


@dataclass(frozen=True, slots=True)
class Holding:
    """A container to which tagged content was let through. ``facts`` are those of the first time, None where none were
    kept; ``objects`` is how many there are.
    """

    place: Location
    name: str
    objects: int
    since: dt.datetime
    facts: Destination | None = None


Position = tuple[str, str, str]
"""Provider, container, key: a list goes on behind it."""
START: Position = ("", "", "")


class ObjectLedger(Protocol):
    """Which tagged content was let through to which object."""

    def stored(self, place: Location, content: Content, how: LetThrough = LetThrough()) -> None:
        """Remember what an allowed upload, copy or assembly put there; untagged content clears the entry."""

    def holds(self, place: Location) -> Content | None:
        """The tagged content that the object is known to hold; None when nothing is known of it."""

    def may_hold(self, place: Location) -> MatchHow | None:
        """As what any object of the container may be tagged content: ``SEALED`` where all that is known to lie there
        went there sealed, else ``STORED``; None where nothing is known to lie there. By whatever name it is reached: an
        access point may stand for any container of its provider, and what was stored through one may lie in any.
        """


class StoredObjects(Protocol):
    """The same ledger, to be gone through. Lists come in pages, so that memory does not grow with them."""

    def objects(
        self,
        after: Position,
        most: int,
        *,
        provider: str | None = None,
        container: str | None = None,
        digests: Sequence[str] = (),
        user: str | None = None,
    ) -> tuple[StoredObject, ...]:
        """The next ``most`` behind ``after``: those in the container (without a provider: at any, and in the containers
        of an account of that name), with one of these contents, that the user alone wrote; without a condition all.
        """

    def seen(self, position: Position, since: dt.datetime, *, there: bool) -> None:
        """The store said whether it has what was let through at ``since``; of anything later that says nothing."""

    def holdings(self, after: tuple[str, str], most: int) -> tuple[Holding, ...]:
        """The next ``most`` containers behind ``after`` (provider, container's name)."""

    def holding(self, provider: str, name: str) -> Holding | None:
        """One container by its name; None where nothing tagged is known there."""

    def carried(self, provider: str, name: str) -> Content:
        """What all that went into the container makes together: the strictest tags, sealed only where all was."""

    @property
    def containers(self) -> int:
        """How many there are."""


class SentLedger(Protocol):
    """How much of each protected content a person has sent to which container."""

    def add(self, user: str, place: Location, matches: Iterable[Match]) -> None:
        """Add what is about to go, in bytes recognised; sealed content adds nothing. ``user`` is empty for unknown."""

    def take_back(self, user: str, place: Location, matches: Iterable[Match]) -> None:
        """Of what was added just now, nothing went. Where the day ended in between, the sum stays an upper bound."""

    def before(self, user: str, place: Location, digests: Iterable[str], days: int) -> Mapping[str, int]:
        """Bytes of each content that were let go in the last ``days`` Korean days, today's included. At most: the same
        bytes count as often as they were sent.
        """
