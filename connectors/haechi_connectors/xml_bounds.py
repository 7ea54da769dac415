"""How much markup a control document may hold before it is read: a parser's time and memory go by that, not by bytes.

Knows nothing of documents. Eight megabytes of empty elements take a parser seconds and hundreds of megabytes, in which
nobody else is judged.
"""

from __future__ import annotations

from typing import Final

MOST_TAGS: Final = 200_000
"""Opening, closing and empty ones. A completion of 10,000 parts with every checksum has 160,000."""
MOST_QUOTES: Final = 100_000
"""Of either kind: around attributes, and in ETags, two for each part of a completion."""


def bounded(document: bytes, largest: int) -> bytes:
    """The document. Raises ``ValueError`` where it is empty, longer than ``largest`` bytes or has too much markup."""
    if not 0 < len(document) <= largest:
        raise ValueError("size")
    if document.count(b"<") > MOST_TAGS or document.count(b"'") + document.count(b'"') > MOST_QUOTES:
        raise ValueError("markup")
    return document
