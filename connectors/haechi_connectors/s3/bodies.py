"""What botocore, aiobotocore and s3transfer wrap bodies in.

Names of the SDK's inner parts are looked for, never relied on: where one is missing the body is simply read.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable
from typing import Any, Final

from haechi.ports.guard import FileRange

from haechi_connectors import bodies

FRAMES: Final = ("AwsChunkedWrapper", "AioAwsChunkedWrapper")
"""What botocore and aiobotocore put around a body in chunks."""


def inner(body: Any) -> Any:
    """What an aws-chunked frame is around; the body itself where there is none."""
    return getattr(body, "_raw", None) if type(body).__name__ in FRAMES else body


def in_file(body: Any) -> FileRange | None:
    """Which part of a regular file a body is; None for everything else."""
    raw, end = inner(body), None
    chunked, first = raw is not body, None
    if type(raw).__module__ == "s3transfer.utils" and type(raw).__name__ == "ReadFileChunk":
        first, size, read = (getattr(raw, name, None) for name in ("_start_byte", "_size", "_amount_read"))
        if not isinstance(first, int) or not isinstance(size, int) or read != 0:
            return None
        raw, end = getattr(raw, "_fileobj", None), first + size
    part = bodies.part_of_file(raw)
    if part is None or (first is not None and part.offset != first):
        return None
    length = part.length if end is None else max(0, min(end, part.offset + part.length) - part.offset)
    return dataclasses.replace(part, length=length, chunked=chunked)


def rewinding(body: Any) -> Callable[[], object] | None:
    """What sets a body back to where it stands now; None where nothing can."""
    raw = inner(body)
    back = None if raw is None else bodies.rewinding(raw)
    if back is None or raw is body:
        return back

    def again() -> None:
        body.seek(0)
        back()

    return again


@contextlib.contextmanager
def unhurried(body: Any) -> Any:
    """What is read meanwhile counts neither as progress nor against a transfer's bandwidth."""
    raw = inner(body)
    stop, go = (getattr(raw, name, None) for name in ("signal_not_transferring", "signal_transferring"))
    if stop is None or go is None:
        yield
        return
    stop()
    try:
        yield
    finally:
        go()
