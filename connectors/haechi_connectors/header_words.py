"""What a header's value says that its writer had to encode. Total."""

from __future__ import annotations

import contextlib
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from urllib.parse import unquote


def words_of(value: str) -> str:
    """A header's value as its writer meant it: text that is not ASCII arrives as encoded words (RFC 2047), as UTF-8
    that was taken for Latin-1, or percent-encoded.
    """
    text = value
    if "=?" in value:
        try:
            text = str(make_header(decode_header(value)))
        except (HeaderParseError, LookupError, UnicodeError, ValueError):
            text = value
    with contextlib.suppress(UnicodeError):
        text = text.encode("latin-1").decode("utf-8")
    return unquote(text)
