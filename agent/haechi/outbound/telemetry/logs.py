"""structlog for operations: JSON lines to a file or standard error. Bodies, credentials and keys never reach a line.

Redaction is the last processor but one, so nothing that a caller binds can slip past it.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO, cast

import structlog
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict, WrappedLogger

from haechi.domain.errors import HaechiError
from haechi.domain.redaction import MASK, redact_target
from haechi.outbound.telemetry.lines import Lines

LONGEST = 2048
"""Characters of one value; the rest is cut, and said to be."""
SECRET_WORDS = (
    "password",
    "secret",
    "credential",
    "authorization",
    "token",
    "private_key",
    "identity",
    "body",
    "content",
)
"""A key that contains one of these is masked whole, whatever its value."""
PLAIN_KEYS = frozenset({"content_state", "content_id", "content_length"})


def configure(level: str = "info", file: Path | None = None) -> Lines:
    """Set structlog and the standard library's logging up for the process. Call once, from where all is wired.

    Answers where the lines go: writing there never raises, and it says what it could not write.

    Raises ``HaechiError('telemetry.log')`` where the file can not be opened.
    """
    number = logging.getLevelNamesMapping()[level.upper()]
    lines = _lines(file)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            # Without locals: a frame's variables hold bodies and keys.
            structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),
            redacted,
            structlog.processors.JSONRenderer(ensure_ascii=False, default=str),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(file=cast("TextIO", lines)),
        cache_logger_on_first_use=True,
    )
    # Libraries log through the standard library: their words take the same way, at warning and above.
    logging.basicConfig(level=max(number, logging.WARNING), handlers=[_ToStructlog()], force=True)
    return lines


def redacted(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Mask what looks like a credential, in values and by the names of keys; cut what is too long."""
    return {key: _value(key, value) for key, value in event.items()}


_KEY_MATERIAL = re.compile(
    r"AGE-SECRET-KEY-[A-Z0-9-]+|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
    r"|\b(?:Bearer|Basic)\s+[A-Za-z0-9+/=._~-]+|AWS4-HMAC-SHA256\s.*",
    re.DOTALL,
)
_ADDRESS = re.compile(r"\S*(?:://|\?)\S*")


def masked(text: str) -> str:
    """Free text without key material, and its addresses without their secret parts."""
    return _ADDRESS.sub(lambda found: redact_target(found[0])[0], _KEY_MATERIAL.sub(MASK, text))


class _ToStructlog(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger("library")
        log.log(record.levelno, "library", logger=record.name, message=record.getMessage())


def _lines(file: Path | None) -> Lines:
    if file is None:
        return Lines(sys.__stderr__.fileno() if sys.__stderr__ is not None else 2, "stderr")
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise HaechiError("telemetry.log", file=str(file), reason=error.strerror or "") from error
    return Lines(descriptor, str(file))


def _value(key: str, value: Any) -> Any:
    lowered = key.lower()
    if lowered not in PLAIN_KEYS and any(word in lowered for word in SECRET_WORDS):
        return MASK
    if isinstance(value, bytes | bytearray | memoryview):
        return f"<{len(value)} bytes>"
    if isinstance(value, str):
        shown = masked(value[:LONGEST])
        return shown if len(value) <= LONGEST else f"{shown}… (+{len(value) - LONGEST})"
    if isinstance(value, Mapping):
        return {str(name): _value(str(name), inner) for name, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_value(key, inner) for inner in value]
    return value
