"""Which blocks of a content count: not those that are everywhere, unless most of it is.

A protected content that consists for the greater part of common blocks *is* such content (a library of the system that
somebody tagged, or a copy of it): it keeps all its blocks. Excluding them would leave nothing of it to be found but the
whole file.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from typing import TypeAlias

from haechi.payload.anchors import Table

Blocks: TypeAlias = "tuple[array[int], array[int]]"
"""Prints, and the units in which they begin."""


def table_of(prints: Iterable[array[int]]) -> Table:
    """Common blocks, to be looked up."""
    table = Table()
    for part in prints:
        table.add(part, array("I", bytes(4 * len(part))))
    return table


def most_uncounted(uncounted: Table, prints: array[int]) -> bool:
    """Whether a content with these blocks keeps all of them, because the greater part is among the uncounted."""
    return 2 * len({index for index, _ in uncounted.hits(prints)}) > len(prints)


def counting(common: Table, parts: Iterable[Blocks]) -> Iterable[Blocks]:
    """The blocks of one content that count, in their order."""
    if not len(common):
        return parts
    prints, units = array("Q"), array("I")
    for some, where in parts:
        prints.extend(some)
        units.extend(where)
    excluded = {index for index, _ in common.hits(prints)}
    if excluded and 2 * len(excluded) <= len(prints):
        kept = [index for index in range(len(prints)) if index not in excluded]
        prints, units = array("Q", [prints[i] for i in kept]), array("I", [units[i] for i in kept])
    return [(prints, units)]
