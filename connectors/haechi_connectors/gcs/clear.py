"""What a request says in the clear: names, labels, metadata. Layer 1 encrypts the object's bytes and none of these.

Total: what cannot be decoded is listed as it stands. Must not know which words are sensitive.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import unquote

from haechi.domain.disclosure import Said, Where

from haechi_connectors.header_words import words_of

METADATA = "x-goog-meta-"
DEEPEST = 4
"""How far metadata of a document is followed; the API's own is flat."""


def said(container: str, key: str, fields: Mapping[str, str]) -> tuple[Said, ...]:
    """Everything of a head or a form (lower-case names) that is stored or logged as it stands; empty texts left out."""
    texts = [Said(Where.CONTAINER, container), Said(Where.KEY, key), *_fields(fields)]
    return tuple(one for one in texts if one.text)


def described(document: Mapping[str, object]) -> tuple[Said, ...]:
    """What a resource of the JSON API says: names, metadata, labels, contexts and file names."""
    texts = [Said(Where.KEY, name) for name in (document.get("name"),) if isinstance(name, str)]
    for field, where in (("metadata", Where.METADATA), ("contexts", Where.METADATA), ("labels", Where.TAG)):
        texts += [Said(where, text) for text in _texts(document.get(field), DEEPEST)]
    shown = document.get("contentDisposition")
    if isinstance(shown, str):
        texts.append(Said(Where.FILENAME, unquote(shown)))
    return tuple(one for one in texts if one.text)


def _texts(value: object, deep: int) -> Iterator[str]:
    """A name with what it stands for, as one text."""
    if not isinstance(value, Mapping) or not deep:
        return
    for name, inner in value.items():
        if isinstance(inner, Mapping):
            yield str(name)
            yield from _texts(inner, deep - 1)
        elif inner is not None:
            yield f"{name} {inner}"


def _fields(fields: Mapping[str, str]) -> Iterator[Said]:
    for name, value in fields.items():
        if name.startswith(METADATA):
            yield Said(Where.METADATA, f"{name.removeprefix(METADATA)} {words_of(value)}")
        elif name == "content-disposition":
            yield Said(Where.FILENAME, unquote(words_of(value)))
        elif name == "x-goog-tagging":
            yield Said(Where.TAG, unquote(value.replace("+", " ")))
