"""Loads the catalogue of designated technologies that ships with the policies."""

from __future__ import annotations

import sys
from functools import lru_cache
from pathlib import Path

from ruamel.yaml.error import YAMLError

from haechi.domain.catalogue import Catalogue, Technology
from haechi.domain.errors import HaechiError
from haechi.outbound import quick_yaml


def load_catalogue(path: Path) -> Catalogue:
    """The catalogue of a YAML file. Raises ``HaechiError('catalogue.unreadable')``."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise HaechiError("catalogue.unreadable", path=str(path), cause=type(error).__name__) from error
    return catalogue_from(text, str(path))


@lru_cache(maxsize=8)
def catalogue_from(text: str, name: str) -> Catalogue:
    """The catalogue of a file's text. Raises ``HaechiError('catalogue.unreadable')``."""
    try:
        said = quick_yaml.load(text)
        technologies = [
            Technology(str(name), str(entry["ko"]), str(entry["en"]), field)
            for field, group in said["fields"].items()
            for name, entry in group["technologies"].items()
        ]
        return Catalogue(technologies, str(said["notice"]["as_of"]))
    except (YAMLError, KeyError, TypeError, AttributeError) as error:
        raise HaechiError("catalogue.unreadable", path=name, cause=type(error).__name__) from error


def shipped() -> Path:
    """Where the catalogue lies that comes with the program: in the source tree, else where the program was
    installed.
    """
    tree = Path(__file__).parents[4] / "policies" / "catalogue" / "data.yaml"
    return tree if tree.exists() else Path(sys.prefix) / "share" / "haechi" / "policies" / "catalogue" / "data.yaml"
