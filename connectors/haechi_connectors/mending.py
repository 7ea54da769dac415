"""Make an upload compliant before it is sent: what the agent is asked, and what is said of it. Must not know SDKs."""

from __future__ import annotations

import io
import logging
import os
import tempfile
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from haechi.domain.errors import HaechiError
from haechi.domain.upload import Request
from haechi.ports.guard import Asked, FileRange, Mending

from haechi_connectors.bodies import part_of_file, rewinding

COPIED: Final = 1 << 20
READING: Final = ("GET", "HEAD", "OPTIONS")
"""Methods that, without a body, only read: the agent is not asked."""
log = logging.getLogger("haechi.guard")


def head_of(method: str, url: str, headers: Mapping[str, Any]) -> Request:
    """The head as it goes on the wire."""
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    listed = tuple((name.lower(), _text(value)) for name, value in headers.items())
    return Request(method.upper(), parts.scheme.lower(), parts.netloc.rpartition("@")[2].lower(), target, listed)


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def opened(
    body: Any,
    in_file: Callable[[Any], FileRange | None] = part_of_file,
    again_of: Callable[[Any], Callable[[], object] | None] = rewinding,
    size: int | None = None,
) -> Any:
    """A regular file with all that a body holds, to hand over; a copy without a name where it is none. ``in_file`` and
    ``again_of`` as ``Shown`` takes them; ``size``: no more than so many bytes belong to it. Raises
    ``HaechiError('guard.read-once')`` for what cannot be set back.
    """
    part = in_file(body)
    whole = part is not None and (part.offset, part.length) == (0, os.fstat(part.descriptor).st_size)
    if part is not None and whole and not part.chunked and (size is None or size >= part.length):
        return os.fdopen(os.dup(part.descriptor), "rb")
    if isinstance(body, str):
        body = body.encode()
    if body is None or isinstance(body, bytes | bytearray | memoryview):
        body = io.BytesIO(body or b"")
    again = again_of(body)
    if again is None:
        raise HaechiError("guard.read-once")
    copy = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    left = size
    while piece := body.read(COPIED if left is None else min(COPIED, left)):
        copy.write(piece)
        left = None if left is None else left - len(piece)
    again()
    copy.flush()
    return copy


def sealed(agent: Asked, source: Any, name: str) -> Any:
    """The ciphertext, at its beginning, in a file without a name that lives until nobody reads it."""
    target = tempfile.TemporaryFile()  # noqa: SIM115 - the SDK reads it
    try:
        agent.seal(source.fileno(), target.fileno(), name)
    except BaseException:
        target.close()
        raise
    target.seek(0)
    return target


def told(mending: Mending, name: str) -> dict[str, Any]:
    """What was made compliant, for the response; also said in the log."""
    from haechi.words import say

    if mending.seal:
        log.warning("%s", say("guard.sealed", name=name))
    if mending.key:
        log.warning("%s", say("guard.encrypted", name=name, key=mending.key))
    return {"sealed": mending.seal, "kms_key": mending.key}


def unmended(error: HaechiError) -> None:
    """Nothing was made compliant: it is judged as it is, and the log says why."""
    from haechi.words import say

    log.warning("%s", say("guard.unmended", reason=said(error)))


def unjudged(error: HaechiError) -> str:
    """What a refusal says where nobody judged: nothing is sent that was not."""
    from haechi.words import say

    return " ".join(say("guard.refused", reason=said(error)).split())


def said(error: HaechiError) -> str:
    """An error in the person's words. They are read from files, so only when there is one."""
    from haechi.words import say

    return say(error.code, None, **error.params)
