"""The clouds that are there: every folder of this package that has a module ``cloud`` with a ``CLOUD``."""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module
from importlib.util import find_spec

from haechi.ports.cloud import Cloud

import haechi_connectors


@cache
def clouds() -> tuple[Cloud, ...]:
    """All of them, by name. An import that fails is an installation that is broken, and is raised."""
    folders = sorted(found.name for found in pkgutil.iter_modules(haechi_connectors.__path__) if found.ispkg)
    modules = [f"{haechi_connectors.__name__}.{folder}.cloud" for folder in folders]
    return tuple(import_module(module).CLOUD for module in modules if find_spec(module) is not None)
