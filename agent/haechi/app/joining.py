"""Whether an append goes on from bytes that were seen.

An append is part of the stored object at once: no completion follows at which a missing piece would show. So what lies
before it must be known, back over one guaranteed run. Each of those pieces was judged by the same question, so that
farther back nothing is missing either.
"""

from __future__ import annotations

from haechi.domain.upload import Assembly
from haechi.ports.objects import REPLACED, Around


def continues(near: Around, assembly: Assembly) -> bool:
    """Whether the pieces before lie without a gap, and none of them may be another than the one that was seen."""
    if not assembly.part:
        return True
    end = assembly.part
    for piece in reversed(near.before):
        if piece.part + piece.edges.size != end or REPLACED in piece.content.notes:
            return False
        end = piece.part
    return bool(near.before) and (end == 0 or near.reached)
