"""Cut a file as clients do that upload it in parts, so that a permit for the file also fits its parts, byte for byte.

A part of an upload shows its own digest alone, and digests of parts do not add up to the file's. So what each part must
be is worked out beforehand, for the part sizes that clients use.
"""

from __future__ import annotations

import os
from typing import Final

from blake3 import blake3

from haechi.domain.bound import Cut
from haechi.domain.errors import HaechiError

MIB: Final = 1 << 20
PART_SIZES: Final = tuple(size * MIB for size in (5, 8, 10, 15, 16, 20, 25, 32, 50, 64, 100, 128, 256, 512))
"""Bytes of a part: the smallest that S3 takes (5 MiB), what common clients take by themselves (the AWS CLI and boto3 8,
doubled for files of many parts; s3cmd 15), and round ones that people set. This project's choice.
"""
MOST_PARTS: Final = 10_000
"""That an object may have at S3."""


def cut_of(source: int, digest: str, name: str) -> Cut:
    """How an open file with this digest is cut; read in one pass, without moving the offset. Blocks.

    Raises ``HaechiError``: ``permit.changed`` where the file has another digest by now, ``seal.io``.
    """
    try:
        size = os.fstat(source).st_size
        sizes = [part for part in PART_SIZES if part < size <= part * MOST_PARTS]
        parts: dict[int, list[str]] = {part: [] for part in sizes}
        open_parts, whole, offset = {part: blake3() for part in sizes}, blake3(), 0
        while block := os.pread(source, MIB - offset % MIB, offset):
            whole.update(block)
            offset += len(block)
            for part, hasher in open_parts.items():
                hasher.update(block)
                if offset % part == 0:
                    parts[part].append(_named(hasher))
                    open_parts[part] = blake3()
    except OSError as error:
        raise HaechiError("seal.io", name=name, reason=error.strerror or "") from error
    if _named(whole) != digest or offset != size:
        raise HaechiError("permit.changed", name=name)
    for part in sizes:
        if size % part:
            parts[part].append(_named(open_parts[part]))
    return Cut(digest, {part: tuple(digests) for part, digests in parts.items()})


def _named(hasher: blake3) -> str:
    return f"blake3:{hasher.hexdigest()}"
