"""Reads the METADATA comment of a rule. Python does it, because neither engine offers ``rego.metadata``.

Knows the comment's form and nothing of engines or of where policies lie.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from io import StringIO
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from haechi.domain.decision import LATEST, Basis, Severity
from haechi.domain.policy import RuleInfo

_PACKAGE = re.compile(r"^package\s+([A-Za-z0-9_.]+)\s*$", re.MULTILINE)


def package_of(source: str) -> str:
    """The package a module declares; empty where it declares none."""
    found = _PACKAGE.search(source)
    return found[1] if found else ""


def rule_info(rule_id: str, source: str, file: str, title: Mapping[str, str]) -> RuleInfo:
    """What the METADATA before the package line says. Raises ``ValueError`` where it is missing or incomplete."""
    block = _block(source)
    try:
        read = _read(block)
    except YAMLError as error:
        raise ValueError(f"METADATA is not YAML: {error}") from error
    custom = read.get("custom") if isinstance(read, dict) else None
    if not isinstance(custom, dict):
        raise ValueError("METADATA has no custom section")  # noqa: TRY004 - one error for bad METADATA
    missing = [name for name in ("requirement", "basis", "severity", "source") if not isinstance(custom.get(name), str)]
    if missing:
        raise ValueError(f"METADATA lacks {', '.join(missing)}")
    return RuleInfo(
        rule_id,
        custom["requirement"],
        Basis(custom["basis"]),
        Severity(custom["severity"]),
        custom["source"].strip(),
        dict(title) or {"en": str(read.get("title", rule_id))},
        file,
        str(custom.get("certainty", "")),
        tuple(str(other) for other in custom.get("also", ())),
        str(read.get("description", "")).strip(),
        _order(custom),
    )


def _order(custom: Mapping[str, object]) -> int:
    """Which finding is told first. Raises ``ValueError`` for what is no small number."""
    order = custom.get("order", LATEST)
    if not isinstance(order, int) or isinstance(order, bool) or not 0 <= order <= LATEST:
        raise ValueError(f"METADATA order is not a number from 0 to {LATEST}")
    return order


@lru_cache(maxsize=1024)
def _read(block: str) -> Any:
    """Read once: the next issue has most of the last one's rules. Nobody changes what this gives."""
    return YAML(typ="safe", pure=True).load(StringIO(block))


def _block(source: str) -> str:
    """The comment lines after ``# METADATA`` that belong to the package, without their ``# ``."""
    lines: list[str] = []
    inside = False
    for line in source.splitlines():
        if line.rstrip() == "# METADATA":
            inside, lines = True, []
        elif line.startswith("package "):
            break
        elif inside and line.startswith("#"):
            lines.append(line[2:] if line.startswith("# ") else line[1:])
        else:
            inside = False
    if not lines:
        raise ValueError("no METADATA before the package line")
    return "\n".join(lines)
