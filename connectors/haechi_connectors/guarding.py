"""Find the guard for a client, and give it the agent. Names no cloud and loads no SDK."""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from haechi.ports.guard import Guard

import haechi_connectors
from haechi_connectors.agent import agent_at, default_socket


@cache
def guards() -> tuple[Guard, ...]:
    """Those that are there: of every folder of this package that has a module ``guard`` with a ``GUARD``."""
    folders = sorted(found.name for found in pkgutil.iter_modules(haechi_connectors.__path__) if found.ispkg)
    modules = [f"{haechi_connectors.__name__}.{folder}.guard" for folder in folders]
    return tuple(import_module(module).GUARD for module in modules if find_spec(module) is not None)


def put_on(client: Any, *, comply: bool, socket: Path | None) -> None:
    """Put the guard that knows it on a client. Raises as ``haechi_connectors.guard``."""
    for one in guards():
        if one.knows(client):
            one.put_on(client, agent_at(socket or default_socket()), comply=comply)
            return
    from haechi.words import say

    raise TypeError(say("guard.unknown-client", type=f"{type(client).__module__}.{type(client).__qualname__}"))
