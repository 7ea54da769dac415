"""YAML 1.2 by libyaml where it can, for long texts that many wait for: a tenth of the time of a scanner in Python,
and the interpreter's lock is free meanwhile.
"""

from __future__ import annotations

from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError


def load(text: str) -> Any:
    """What a text says, in plain lists, dictionaries and scalars. Raises ``YAMLError``, ``ValueError`` for a date that
    there is not, ``RecursionError``.
    """
    try:
        return YAML(typ="safe").load(text)
    except YAMLError:  # a colon in a flow list is sound all the same; and of what is wrong, this one says more
        return YAML(typ="safe", pure=True).load(text)
