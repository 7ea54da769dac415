"""The two ways to write a registry, YAML for hands and JSON for programs, as one: a head, lists of entries, and lines.

Content that begins with ``{`` is JSON. YAML is read in pure Python, token by token, so it is bounded to 4 MiB; JSON may
have 64 MiB (some 100,000 approvals) and is decoded entry by entry, so that no step keeps the interpreter for long.
Lines of JSON are looked for only when there is a fault to tell.
"""

from __future__ import annotations

import json
from collections.abc import Container, Iterator
from typing import Any, Literal, Protocol

import msgspec

from haechi.domain.errors import HaechiError
from haechi.outbound.registry.form import REQUIRED, SECTIONS, UNSAID, Form, Instant, InstitutionForm, Sequence_
from haechi.outbound.trust.document import Document, Place, dotted, parse_document

MAX_JSON = 64 * 1024 * 1024
AREA = "registry"


class Head(Form, frozen=True, kw_only=True, rename={"schema_": "schema"}):
    """Everything but the lists."""

    schema_: Literal["haechi.registry/1"]
    sequence: Sequence_
    issued_at: Instant
    institution: InstitutionForm


class MalformedError(Exception):
    """Something that does not have its form: where within what was asked for, and why."""

    def __init__(self, place: Place, cause: str) -> None:
        super().__init__(place, cause)
        self.place, self.cause = place, cause


class Written(Protocol):
    """A registry as it was written."""

    def head(self) -> Head:
        """What stands beside the lists. Raises ``MalformedError``."""

    def entries(self, section: str) -> Iterator[Any]:
        """The entries of a list, not understood yet. Raises ``MalformedError``."""

    def form(self, section: str, entry: Any) -> Any:
        """An entry in its form. Raises ``MalformedError``."""

    def fault(self, place: Place, cause: str) -> HaechiError:
        """``registry.malformed`` with file, line, field and cause."""


def is_json(raw: bytes) -> bool:
    """Whether it says that it is JSON."""
    return raw[:64].lstrip()[:1] == b"{"


def written(raw: bytes, name: str) -> Written:
    """Raises ``HaechiError``: ``registry.too-large``, ``registry.malformed``."""
    return JsonWritten(raw, name) if is_json(raw) else YamlWritten(parse_document(raw, name, AREA))


class YamlWritten:
    """A registry in YAML."""

    def __init__(self, document: Document) -> None:
        self.document = document

    def head(self) -> Head:
        """See ``Written``."""
        data = self.document.data
        if not isinstance(data, dict):
            raise MalformedError((), "not-a-mapping")
        found: Head = _converted({name: value for name, value in data.items() if name not in SECTIONS}, Head)
        return found

    def entries(self, section: str) -> Iterator[Any]:
        """See ``Written``."""
        _there(section, self.document.data)
        listed = self.document.data.get(section, [])
        if not isinstance(listed, list):
            raise MalformedError((section,), "not-a-list")
        return iter(listed)

    def form(self, section: str, entry: Any) -> Any:
        """See ``Written``."""
        return _converted(entry, SECTIONS[section][0])

    def fault(self, place: Place, cause: str) -> HaechiError:
        """See ``Written``."""
        return self.document.fault(place, cause)


class JsonWritten:
    """A registry in JSON."""

    def __init__(self, raw: bytes, name: str) -> None:
        """Raises as ``written``."""
        if len(raw) > MAX_JSON:
            raise HaechiError("registry.too-large", file=name, limit=MAX_JSON)
        self._raw, self._name = raw, name
        # What was understood, written again, is as long as what was read if that said nothing twice and escaped
        # nothing: then nobody has to go through it a second time, which would take three times longer.
        self._encoder = msgspec.json.Encoder()
        self._decoders = {section: msgspec.json.Decoder(form) for section, (form, _) in SECTIONS.items()}
        try:
            self._parts = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise self.fault((), _short(str(error))) from error

    def head(self) -> Head:
        """See ``Written``."""
        # A name that is there twice would be read one way here and another way elsewhere. What lies between the lists
        # is little; a list that is there twice stays in it, and shows itself.
        once_only(self._between())
        listed = {name: part for name, part in self._parts.items() if name not in SECTIONS}
        found: Head = _decoded(msgspec.json.encode(listed), msgspec.json.Decoder(Head))
        return found

    def _between(self) -> bytes:
        """The text with ``null`` for every list. The lists are large: none of them is copied for that."""
        parts = [memoryview(self._parts[section]) for section in SECTIONS if section in self._parts]
        found = sorted((self._raw.find(part), len(part)) for part in parts)
        rest, at = [], 0
        for start, length in found:
            if start >= at:
                rest += [self._raw[at:start], b"null"]
            at = max(at, start + length)
        return b"".join([*rest, self._raw[at:]])

    def entries(self, section: str) -> Iterator[Any]:
        """See ``Written``."""
        _there(section, self._parts)
        part = self._parts.get(section)
        if part is None:
            return iter(())
        try:
            return iter(msgspec.json.decode(part, type=list[msgspec.Raw]))
        except (msgspec.DecodeError, RecursionError) as error:
            raise MalformedError((section,), _short(str(error))) from error

    def form(self, section: str, entry: Any) -> Any:
        """See ``Written``."""
        found = _decoded(entry, self._decoders[section])
        text = bytes(entry)
        if b"\\" in text or len(_packed(text)) != len(_packed(self._encoder.encode(found))):
            once_only(text)
        return found

    def fault(self, place: Place, cause: str) -> HaechiError:
        """See ``Written``."""
        return HaechiError(
            "registry.malformed", file=self._name, line=self._line(place), field=dotted(place), cause=cause
        )

    def _line(self, place: Place) -> int:
        """Found by looking for each step's text behind the last one's: near enough, and costs nothing until then."""
        at = 0
        for step in place:
            if isinstance(step, str):
                found = self._raw.find(json.dumps(step, ensure_ascii=False).encode(), at)
            elif place.index(step) == 1 and len(place) > 1:
                found = self._entry(str(place[0]), step)
            else:
                continue
            at = max(at, found)
        return self._raw.count(b"\n", 0, at) + 1

    def _entry(self, section: str, number: int) -> int:
        try:
            listed = msgspec.json.decode(self._parts[section], type=list[msgspec.Raw])
            return self._raw.find(bytes(listed[number]))
        except (KeyError, IndexError, msgspec.DecodeError):
            return -1


def _there(section: str, parts: Container[str]) -> None:
    if section in REQUIRED and section not in parts:
        raise MalformedError((section,), UNSAID)


def _packed(text: bytes) -> bytes:
    return text.translate(None, b" \t\r\n")


def once_only(raw: bytes) -> None:
    """Refuse a name that stands twice in an object: readers differ in which they take. Raises ``MalformedError``."""
    try:
        json.loads(raw, object_pairs_hook=_pairs)
    except _TwiceError as error:
        raise MalformedError((error.args[0],), "duplicate-key") from error
    except (ValueError, RecursionError) as error:
        raise MalformedError((), _short(str(error))) from error


class _TwiceError(Exception):
    """A name that stands twice."""


def _pairs(pairs: list[tuple[str, Any]]) -> None:
    names = {name for name, _ in pairs}
    if len(names) < len(pairs):
        seen: set[str] = set()
        raise _TwiceError(next(name for name, _ in pairs if name in seen or seen.add(name)))  # type: ignore[func-returns-value]


def _decoded(raw: Any, decoder: msgspec.json.Decoder[Any]) -> Any:
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        raise _told(error) from error
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise MalformedError((), _short(str(error))) from error


def _converted(value: Any, form: Any) -> Any:
    try:
        return msgspec.convert(value, form)
    except msgspec.ValidationError as error:
        raise _told(error) from error


def _told(error: msgspec.ValidationError) -> MalformedError:
    """From what msgspec says: ``Expected … - at `$.destinations[0].country` ``."""
    message, _, place = str(error).partition(" - at `")
    steps: list[str | int] = []
    for part in place.rstrip("`").removeprefix("$").replace("[...]", "").replace("]", "").split("."):
        name, *numbers = part.split("[")
        steps += [name] if name else []
        steps += [int(number) for number in numbers if number.isdigit()]
    unknown = message.removeprefix("Object contains unknown field `")
    if unknown != message:
        return MalformedError((*steps, unknown.rstrip("`")), "unknown-field")
    missing = message.removeprefix("Object missing required field `")
    if missing != message:
        return MalformedError(tuple(steps), f"required: {missing.rstrip('`')}")
    return MalformedError(tuple(steps), _short(message))


def _short(cause: str) -> str:
    return cause if len(cause) <= 120 else cause[:117] + "…"
