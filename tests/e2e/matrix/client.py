"""One client's way to upload, and what is asked of every one."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from tests.e2e.matrix.outcomes import Outcome, report
from tests.lab import Finished, Laboratory


class Words(StrEnum):
    """How much of a refusal a person sees who uses the client."""

    WHOLE = "whole"
    """The sentence, the way on, and the decision's number."""
    REASON = "reason"
    """That access was denied, in the client's own words: the agent's stand in ``haechi explain --last``."""


@dataclass(frozen=True, slots=True)
class Place:
    """A running agent, a store behind it, and a person's files: one that is tagged, and the same sealed.

    ``held`` are an object's bytes at the store, None where there is none. ``more`` is what this cloud's clients need.
    """

    lab: Laboratory
    tagged: Path
    sealed: Path
    held: Callable[[str], bytes | None]
    more: Any = None


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

    @property
    def slug(self) -> str:
        """Unique, and fit for a key at any store."""
        text = f"{self.cloud}-{self.name}-{self.way}".lower()
        return "".join(letter if letter.isalnum() else "-" for letter in text)


def meets(client: Client, place: Place) -> Outcome:
    """A tagged file is refused, in words that the person sees, at once, and is not at the store; sealed it arrives as
    it is. Raises where the client is not installed (skipped; fails in CI) or anything else was seen.
    """
    version = client.version()
    before = len(place.lab.decisions())
    since = time.monotonic()
    refused = client.upload(place, place.tagged, f"{client.slug}-tagged")
    took = time.monotonic() - since
    blocked = [one for one in place.lab.decisions()[before:] if one["decision"]["effect"] == "block"]
    assert refused.status != 0, refused.said
    assert place.held(f"{client.slug}-tagged") is None
    assert blocked, refused.said
    assert len(blocked) <= client.tries, [one["id"] for one in blocked]
    assert took < 60, refused.said  # nothing is retried for minutes; this is no measurement
    shown = any(one["id"] in refused.said for one in blocked) and "haechi seal" in refused.said
    assert shown is (client.words is Words.WHOLE), refused.said
    went = client.upload(place, place.sealed, f"{client.slug}-sealed")
    assert went.status == 0, went.said
    assert place.held(f"{client.slug}-sealed") == place.sealed.read_bytes()
    outcome = Outcome(client.cloud, client.name, client.way, version, client.words, len(blocked))
    report(outcome)
    return outcome
