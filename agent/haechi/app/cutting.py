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
PART_SIZES: Final = tuple(size * MIB for size in (4, 5, 8, 10, 15, 16, 20, 25, 32, 50, 64, 100, 128, 256, 512))
"""Bytes of a part: the smallest that S3 takes (5 MiB), what common clients take by themselves (4 where blobs
go in blocks; the AWS CLI and boto3 8, doubled for files of many parts; s3cmd 15), and round ones that people set. This
project's choice.
"""
MOST_PARTS: Final = 10_000
"""That an object may have at S3."""


STEP: Final = 64 * MIB
"""Bytes that are read between two reports."""


class Cutting:
    """The cutting of one open file that has this digest; the file's offset is not moved."""

    def __init__(self, source: int, digest: str, name: str) -> None:
        """Raises ``HaechiError('seal.io')``."""
        self._source, self._digest, self._name = source, digest, name
        self.offset = 0
        """Bytes read so far."""
        try:
            self._size = os.fstat(source).st_size
        except OSError as error:
            raise HaechiError("seal.io", name=name, reason=error.strerror or "") from error
        self._sizes = [part for part in PART_SIZES if part < self._size <= part * MOST_PARTS]
        self._parts: dict[int, list[str]] = {part: [] for part in self._sizes}
        self._open = {part: blake3() for part in self._sizes}
        self._whole = blake3()

    def step(self) -> bool:
        """Read on; whether there is more. Blocks. Raises ``HaechiError('seal.io')``."""
        end = self.offset + STEP
        while self.offset < end:
            try:
                block = os.pread(self._source, MIB - self.offset % MIB, self.offset)
            except OSError as error:
                raise HaechiError("seal.io", name=self._name, reason=error.strerror or "") from error
            if not block:
                return False
            self._take(block)
        return True

    def result(self) -> Cut:
        """After the last step. Raises ``HaechiError('permit.changed')`` where the file has another digest by now."""
        if _named(self._whole) != self._digest or self.offset != self._size:
            raise HaechiError("permit.changed", name=self._name)
        for part in self._sizes:
            if self._size % part:
                self._parts[part].append(_named(self._open[part]))
        return Cut(self._digest, {part: tuple(digests) for part, digests in self._parts.items()})

    def _take(self, block: bytes) -> None:
        self._whole.update(block)
        self.offset += len(block)
        for part, hasher in self._open.items():
            hasher.update(block)
            if self.offset % part == 0:
                self._parts[part].append(_named(hasher))
                self._open[part] = blake3()


def cut_of(source: int, digest: str, name: str) -> Cut:
    """How an open file is cut, in one go. Blocks. Raises as ``Cutting``."""
    cutting = Cutting(source, digest, name)
    while cutting.step():
        pass
    return cutting.result()


def _named(hasher: blake3) -> str:
    return f"blake3:{hasher.hexdigest()}"
