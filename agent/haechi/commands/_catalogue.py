"""Which technologies a tag may name: those of the policies in force, as the agent has them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from haechi.domain.errors import HaechiError
from haechi.words import say

if TYPE_CHECKING:
    from haechi.domain.catalogue import Catalogue

_PATIENCE_S = 10


def catalogue_in_force() -> Catalogue:
    """The running agent's. Without one that answers, what lies where it takes its policies; and where only the agent
    may read that, what ships, with a warning.
    """
    return _agents() or _lying()


def _agents() -> Catalogue | None:
    from haechi.domain.catalogue import Catalogue, Technology
    from haechi.inbound.control.client import call

    try:
        said = call("tags.catalogue", {}, timeout=_PATIENCE_S)
        return Catalogue([Technology(**one) for one in said["technologies"]], said["as_of"])
    except (HaechiError, KeyError, TypeError):
        return None


def _lying() -> Catalogue:
    from haechi.outbound.engine.folder import in_force
    from haechi.outbound.engine.texts import CATALOGUE
    from haechi.outbound.tags.catalogue import load_catalogue, shipped
    from haechi.settings import load

    place = in_force(load())
    if place.is_dir():
        return load_catalogue(place / CATALOGUE)
    found = _bundled(place)
    if found is None:
        click.echo(say("tag.catalogue-shipped"), err=True)
        return load_catalogue(shipped())
    return found


def _bundled(bundle: Path) -> Catalogue | None:
    """The catalogue in a bundle; None where there is none that can be read."""
    from haechi.outbound.engine.archive import ArchiveError, unpacked
    from haechi.outbound.engine.bundle import bundle_bytes
    from haechi.outbound.engine.texts import BUNDLED_CATALOGUE
    from haechi.outbound.tags.catalogue import catalogue_from

    try:
        text = unpacked(bundle_bytes(bundle))[BUNDLED_CATALOGUE].decode()
    except (HaechiError, ArchiveError, KeyError, UnicodeDecodeError):
        return None
    return catalogue_from(text, str(bundle))
