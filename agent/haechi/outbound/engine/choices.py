"""What the institution chose in the policy data besides rules: what is intercepted, and which files are tagged by name.

It arrives with the signed policies, because both can loosen. What it must not know: who reads it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from haechi.domain.errors import HaechiError
from haechi.domain.scope import Scope, ScopeMode

FILE = "data.yaml"


@dataclass(frozen=True, slots=True)
class Choices:
    """``networks`` are address ranges (CIDR) of providers in scope: a tunnel that resolves into them is closed.
    ``tag_rules`` are mappings ``{glob, technology, grade, …}`` as in a folder's ``.haechi.yaml``.
    """

    mode: ScopeMode = ScopeMode.CLOUD
    hosts: tuple[str, ...] = ()
    exempt: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    tag_rules: tuple[Mapping[str, Any], ...] = ()

    def scope(self, cloud: Sequence[str], added: Sequence[str], least: str = "nothing") -> Scope:
        """The scope in force: ``cloud`` are the connectors' hosts; ``added`` and ``least`` (``nothing``, ``cloud``,
        ``all``) what this machine adds to the signed choice.
        """
        mode = self.mode
        if least == "all":
            mode = ScopeMode.ALL
        elif least == "cloud" and mode is ScopeMode.LIST:
            mode = ScopeMode.CLOUD
        return Scope.of(mode, cloud, (*self.hosts, *added), self.exempt)


def choices_from(data: Mapping[str, Any]) -> Choices:
    """Read them from the policy data. Raises ``HaechiError('policy.invalid')``; what is absent has its default."""
    scope, rules = _value(data, "scope", {}), _value(data, "tag_rules", [])
    try:
        mode = ScopeMode(scope.get("mode", ScopeMode.CLOUD.value))
        hosts, exempt, networks = (_texts(scope.get(name, [])) for name in ("hosts", "exempt", "networks"))
        for network in networks:
            ipaddress.ip_network(network)
        Scope.of(mode, (), hosts, exempt)
    except (ValueError, AttributeError, TypeError) as error:
        raise HaechiError("policy.invalid", file=FILE, why=f"scope: {error}") from error
    if not isinstance(rules, list) or not all(isinstance(rule, Mapping) for rule in rules):
        raise HaechiError("policy.invalid", file=FILE, why="tag_rules: a list of mappings is wanted")
    return Choices(mode, hosts, exempt, networks, tuple(rules))


def _value(data: Mapping[str, Any], name: str, default: Any) -> Any:
    choice = data.get("choices", {}).get(name, {})
    return choice.get("value", default) if isinstance(choice, Mapping) else default


def _texts(values: Any) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise TypeError("a list of texts is wanted")
    return tuple(values)
