"""One client's way to upload, and what is asked of every one."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from tests.e2e.matrix.outcomes import Outcome, report
from tests.lab import Finished, Laboratory


class Words(StrEnum):
    """How much of a refusal a person sees who uses the client."""

    WHOLE = "whole"
    """The rule that was broken, the way on, and the decision's number."""
    GENERAL = "general"
    """That it was refused, the way on and the decision's number, no rule: a site's script learns no more (ADR 17)."""
    REASON = "reason"
    """That access was denied, in the client's own words: the agent's stand in ``haechi explain --last``."""


class Sealed(StrEnum):
    """What becomes of the sealed file."""

    ARRIVES = "arrives"
    """Byte-identical."""
    REFUSED = "refused"
    """Nothing is known of the destination: sealed content does not go there either. What is not tagged arrives."""
    KEY_UNKNOWN = "key-unknown"
    """The place is known, its provider's keys cannot be read: refused as well, without an exception."""


class Left(StrEnum):
    """What a refused client leaves at the store beside the object, which is never there."""

    NOTHING = "nothing"
    """It aborted what it had begun, or had begun nothing."""
    BEGUN = "begun"
    """An upload that was begun and never ended, without its refused parts: the store keeps it until it expires."""


@dataclass(frozen=True, slots=True)
class Place:
    """A running agent, a store behind it, and a person's files: one that is tagged, and the same sealed.

    ``held`` are an object's bytes at the store, None where there is none. ``more`` is what this cloud's clients need.
    ``store`` names what stands behind (tools/client_pages.yaml has its words). ``begun`` are the keys of uploads that
    were begun there and have not ended, where the store has such. ``plain`` is a file that is not tagged, for places
    to which sealed content does not go.
    """

    lab: Laboratory
    tagged: Path
    sealed: Path
    held: Callable[[str], bytes | None]
    more: Any = None
    store: str = ""
    begun: Callable[[], Collection[str]] | None = None
    plain: Path | None = None


def started(lab: Laboratory) -> tuple[Path, Path, Path]:
    """Start the agent, before which a person has these files: one that is tagged, the same sealed, and a plain one."""
    tagged, plain = lab.work / "recipe.bin", lab.work / "notes.bin"
    tagged.write_bytes(random.Random(7).randbytes(300_000))
    plain.write_bytes(random.Random(8).randbytes(200_000))
    lab.start()
    lab.tag(tagged)
    return tagged, lab.seal(tagged), plain


@dataclass(frozen=True, slots=True)
class Client:
    """``upload`` puts a file under a key as a person would, below ``haechi run``; ``version`` is the program's own.

    ``tries`` is how many requests a refused upload may make at most before the client gives up.
    """

    cloud: str
    name: str
    way: str
    upload: Callable[[Place, Path, str], Finished]
    version: Callable[[], str]
    words: Words = Words.WHOLE
    tries: int = 1
    sealed: Sealed = Sealed.ARRIVES
    leaves: Left = Left.NOTHING

    @property
    def slug(self) -> str:
        """Unique, and fit for a key at any store."""
        text = f"{self.cloud}-{self.name}-{self.way}".lower()
        return "".join(letter if letter.isalnum() else "-" for letter in text)


def meets(client: Client, place: Place) -> Outcome:
    """A tagged file is refused, in words that the person sees, at once, and is not at the store; sealed it arrives as
    it is, where that is allowed. What is seen is what the page says. Raises where the client is not installed (skipped;
    fails in CI) or anything else was seen.
    """
    version = client.version()
    key = f"{client.slug}-tagged"
    before = len(place.lab.decisions())
    since = time.monotonic()
    refused = client.upload(place, place.tagged, key)
    took = time.monotonic() - since
    blocked = _blocked(place, before)
    assert refused.status != 0, refused.said
    assert place.held(key) is None
    assert blocked, refused.said
    assert len(blocked) <= client.tries, [one["id"] for one in blocked]
    assert took < 60, refused.said  # nothing is retried for minutes; this is no measurement
    # Where sealed content does not go either, nobody is advised to seal.
    way_on = "haechi seal" if client.sealed is Sealed.ARRIVES else "haechi explain"
    assert _words(refused.said, blocked, way_on) is client.words, refused.said
    if place.begun is not None:
        assert (key in place.begun()) is (client.leaves is Left.BEGUN), place.begun()
    _sealed(client, place)
    outcome = Outcome(
        client.cloud, client.name, client.way, version, client.words, client.tries, client.sealed, client.leaves,
        (place.store,) if place.store else (),
    )  # fmt: skip
    report(outcome)
    return outcome


def _sealed(client: Client, place: Place) -> None:
    before = len(place.lab.decisions())
    key, file = f"{client.slug}-sealed", place.sealed
    went = client.upload(place, file, key)
    if client.sealed is not Sealed.ARRIVES:
        assert went.status != 0, went.said
        assert place.held(key) is None
        # Recognised as that file; in a form or a pack the body is more than it, so not "sealed" as a whole.
        assert any(one["content"]["state"] == "matched" for one in _blocked(place, before)), went.said
        assert place.plain is not None
        key, file = f"{client.slug}-plain", place.plain
        went = client.upload(place, file, key)
    assert went.status == 0, went.said
    assert place.held(key) == file.read_bytes()


def _words(said: str, blocked: Sequence[dict[str, Any]], way_on: str) -> Words:
    """What of these refusals a person was shown."""
    shown = [one for one in blocked if one["id"] in said]
    if not shown or way_on not in said:
        return Words.REASON
    asked = {finding["requirement"] for one in shown for finding in one["decision"]["findings"]}
    return Words.WHOLE if any(re.search(rf"\b{one}\b", said) for one in asked) else Words.GENERAL


def _blocked(place: Place, before: int) -> list[dict[str, Any]]:
    return [one for one in place.lab.decisions()[before:] if one["decision"]["effect"] == "block"]
