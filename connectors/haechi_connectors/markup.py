"""Reading XML that a client sends to a store, in bounded time and memory.

A parser's time and memory go by markup, not by bytes: eight megabytes of empty elements take it seconds and hundreds of
megabytes, in which nobody else is judged. Knows nothing of documents.
"""

from __future__ import annotations

from typing import Final
from xml.etree.ElementTree import Element

from defusedxml.ElementTree import fromstring

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


def tree(document: bytes, largest: int) -> Element:
    """The document's root; names of elements without their namespaces. Raises ``ValueError`` as ``bounded`` does, and
    what the parser raises: ``ParseError``, ``DefusedXmlException``, ``LookupError``, ``RecursionError``.
    """
    root: Element = fromstring(bounded(document, largest), forbid_dtd=True)
    for element in root.iter():
        if isinstance(element.tag, str):
            element.tag = element.tag.rpartition("}")[2]
    return root


def texts(root: Element, *names: str) -> tuple[str, ...]:
    """The text of every element with one of these names, in order, each once; empty ones left out."""
    found = ((element.text or "").strip() for element in root.iter() if element.tag in names)
    return tuple(dict.fromkeys(text for text in found if text))
