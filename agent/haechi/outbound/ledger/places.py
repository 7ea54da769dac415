"""How a location is written down, so that one object has one name whatever way it was reached."""

from __future__ import annotations

from dataclasses import dataclass

from haechi.domain.upload import Location

ALIAS = "alias:"
"""No container's name has a colon there."""


@dataclass(frozen=True, slots=True)
class Place:
    """``container`` is (provider, container's name)."""

    container: tuple[str, str]
    key: str


def place_of(location: Location) -> Place:
    """A container reached through an access point is known by the access point's name, marked as such: which container
    it stands for is not known here.

    Names that are no text (undecodable bytes) are spelled out, so that two different ones stay different.
    """
    container = f"{ALIAS}{location.container or location.alias}" if location.alias else location.container
    return Place((_text(location.provider), _text(container)), _text(location.key))


def _text(name: str) -> str:
    return name.encode("utf-8", "backslashreplace").decode() if not name.isascii() else name
