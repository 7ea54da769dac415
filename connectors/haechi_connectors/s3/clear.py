"""What an S3 request says in the clear: names, tags, metadata. Layer 1 encrypts the object's bytes and none of these.

Total: what cannot be decoded is listed as it stands. Must not know which words are sensitive.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from urllib.parse import unquote, unquote_plus
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring
from haechi.domain.disclosure import Said, Where

from haechi_connectors.xml_bounds import bounded

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
        root = fromstring(bounded(document, LARGEST), forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError, RecursionError):
        return ()
    texts = (one.text or "" for one in root.iter() if str(one.tag).rpartition("}")[2] in ("Key", "Value"))
    return tuple(Said(Where.TAG, text) for text in texts if text)


def _fields(fields: Mapping[str, str]) -> Iterator[Said]:
    for name, value in fields.items():
        if name in TAGS:
            told = " ".join(_FORM_TAGS.findall(value)) if value.lstrip().startswith("<") else value
            yield Said(Where.TAG, unquote_plus(told))
        elif name.startswith(METADATA):
            yield Said(Where.METADATA, f"{name.removeprefix(METADATA)} {_words(value)}")
        elif name == "content-disposition":
            yield Said(Where.FILENAME, unquote(_words(value)))


def _words(value: str) -> str:
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
