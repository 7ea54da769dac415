"""What an S3 request says in the clear: names, tags, metadata. Layer 1 encrypts the object's bytes and none of these.

Total: what cannot be decoded is listed as it stands. Must not know which words are sensitive.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from urllib.parse import unquote, unquote_plus
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException
from haechi.domain.disclosure import Said, Where

from haechi_connectors.header_words import words_of
from haechi_connectors.markup import tree

METADATA = "x-amz-meta-"
TAGS = ("x-amz-tagging", "tagging")
"""The header, and the field of a form."""
_FORM_TAGS = re.compile(r"<(?:Key|Value)>([^<]*)</")

LARGEST = 1 << 20
"""Bytes of a document with tags; ten of them are allowed."""


def said(container: str, key: str, fields: Mapping[str, str]) -> tuple[Said, ...]:
    """Everything of a head or a form (lower-case names) that is stored or logged as it stands; empty texts left out."""
    texts = [Said(Where.CONTAINER, container), Said(Where.KEY, key), *_fields(fields)]
    return tuple(one for one in texts if one.text)


def tagged(document: bytes) -> tuple[Said, ...]:
    """The tags that a document gives to what is stored already; none where it cannot be read."""
    try:
        root = tree(document, LARGEST)
    except (ParseError, DefusedXmlException, ValueError, LookupError, RecursionError):
        return ()
    texts = (one.text or "" for one in root.iter() if one.tag in ("Key", "Value"))
    return tuple(Said(Where.TAG, text) for text in texts if text)


def _fields(fields: Mapping[str, str]) -> Iterator[Said]:
    for name, value in fields.items():
        if name in TAGS:
            told = " ".join(_FORM_TAGS.findall(value)) if value.lstrip().startswith("<") else value
            yield Said(Where.TAG, unquote_plus(told))
        elif name.startswith(METADATA):
            yield Said(Where.METADATA, f"{name.removeprefix(METADATA)} {words_of(value)}")
        elif name == "content-disposition":
            yield Said(Where.FILENAME, unquote(words_of(value)))
